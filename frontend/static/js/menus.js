// @ts-check
/** Closes menus and reason cards, which are plain <details>, on Escape and on a click elsewhere; one is open at a time. */
const OPENED = "details[open].menu, details[open].reason";

/** @param {Element | null} [except] */
function closeAll(except = null) {
  for (const details of document.querySelectorAll(OPENED)) {
    if (details !== except) details.removeAttribute("open");
  }
}

document.addEventListener("click", (event) => {
  const within = event.target instanceof Element ? event.target.closest("details.menu, details.reason") : null;
  closeAll(within);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector(OPENED);
  closeAll();
  const summary = open?.querySelector("summary");
  if (summary && open?.contains(document.activeElement)) summary.focus();
});
