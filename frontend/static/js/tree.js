// @ts-check
import { findNeighbour } from "./tree-moves.js";

/**
 * Arrow keys in tree tables (`table[data-aid-tree]`): up and down move between rows, right opens a row or goes to its first child,
 * left closes it or goes to its parent, Enter follows the row's link. Opening and closing is a link of the server's.
 */
document.addEventListener("keydown", (event) => {
  const row = event.target instanceof Element ? event.target.closest("table[data-aid-tree] tbody tr[aria-level]") : null;
  if (!(row instanceof HTMLTableRowElement) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof Element && event.target.matches("input, textarea, select")) return;
  const body = row.parentElement;
  if (!body) return;
  const rows = /** @type {HTMLTableRowElement[]} */ ([...body.querySelectorAll("tr[aria-level]")]);
  const move = findNeighbour(
    rows.map((each) => ({ level: Number(each.getAttribute("aria-level")), expanded: each.getAttribute("aria-expanded") })),
    rows.indexOf(row),
    event.key,
  );
  if (!move) return;
  event.preventDefault();
  if (move.toggle) {
    const toggle = row.querySelector("a[data-aid-toggle]");
    if (toggle instanceof HTMLAnchorElement) toggle.click();
    return;
  }
  const link = rows[move.index]?.querySelector("a[data-aid-row]");
  if (link instanceof HTMLAnchorElement) link.focus();
});
