// @ts-check
/**
 * Where an arrow key leads in a tree of visible rows: pure.
 *
 * @typedef {{level: number, expanded: string | null}} Row
 * @typedef {{toggle: true, index?: undefined} | {toggle?: undefined, index: number}} Move
 */

/**
 * @param {Row[]} rows
 * @param {number} index
 * @param {string} key
 * @returns {Move | null}
 */
export function findNeighbour(rows, index, key) {
  const row = rows[index];
  if (!row) return null;
  if (key === "ArrowDown") return index + 1 < rows.length ? { index: index + 1 } : null;
  if (key === "ArrowUp") return index > 0 ? { index: index - 1 } : null;
  if (key === "ArrowRight") {
    if (row.expanded === "false") return { toggle: true };
    const next = rows[index + 1];
    return row.expanded === "true" && next && next.level > row.level ? { index: index + 1 } : null;
  }
  if (key === "ArrowLeft") {
    if (row.expanded === "true") return { toggle: true };
    for (let above = index - 1; above >= 0; above -= 1) if (rows[above].level < row.level) return { index: above };
  }
  return null;
}
