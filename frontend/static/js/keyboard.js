// @ts-check
import { readKey } from "./shortcuts.js";

const PREFIX_MILLISECONDS = 1200;
let prefixedAt = -Infinity;

document.addEventListener("keydown", (event) => {
  const target = event.target;
  const command = readKey({
    key: event.key,
    isTyping: target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select")),
    hasModifier: event.ctrlKey || event.metaKey || event.altKey,
    isAfterPrefix: performance.now() - prefixedAt < PREFIX_MILLISECONDS,
  });
  prefixedAt = -Infinity;
  if (command.kind === "none") return;
  if (command.kind === "prefix") {
    prefixedAt = performance.now();
    return;
  }
  event.preventDefault();
  if (command.kind === "search") focusSearch();
  if (command.kind === "help") showHelp();
  if (command.kind === "go") followShortcut(command.key);
});

document.addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest("[data-aid-help]")) {
    event.preventDefault();
    showHelp();
  }
});

function focusSearch() {
  // The table's own search first: on a list, "/" narrows the list.
  const box = document.querySelector("main [data-aid-search]") ?? document.querySelector("[data-aid-search]");
  if (box instanceof HTMLInputElement) {
    box.focus();
    box.select();
  }
}

function showHelp() {
  const dialog = document.querySelector("dialog[data-aid-help-dialog]");
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

/** @param {string} key */
function followShortcut(key) {
  const link = document.querySelector(`a[data-aid-shortcut="${key}"]`);
  if (link instanceof HTMLAnchorElement) link.click();
}
