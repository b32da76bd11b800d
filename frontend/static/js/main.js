// @ts-check
/** What every page runs. Each module enhances what the server wrote; without any of them the pages still work. */
import "./age.js";
import "./forms.js";
import "./keyboard.js";
import "./live.js";
import "./menus.js";
import "./toasts.js";
import "./tree.js";
