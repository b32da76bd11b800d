// @ts-check
/**
 * Pure functions behind the time series chart: from the server's JSON to what uPlot draws.
 *
 * @typedef {{name: string, unit: "ratio" | "count", values: (number | null)[], style?: "area" | "line" | "step"}} Line
 * @typedef {{times: number[], lines: Line[], message: string}} Series
 */

/**
 * The columns uPlot wants: times first, then one column per line.
 * @param {Series} series
 * @returns {[number[], ...(number | null)[][]]}
 */
export function toColumns(series) {
  return [series.times, ...series.lines.map((line) => line.values)];
}

/**
 * A value in words; a missing one is a dash, never 0.
 * @param {number | null | undefined} value
 * @param {"ratio" | "count"} unit
 */
export function formatValue(value, unit) {
  if (value === null || value === undefined) return "–";
  return unit === "ratio" ? `${Math.round(value * 100)} %` : `${Math.round(value)}`;
}

/**
 * The upper end of the count axis: the largest value with a little air, at least 1.
 * @param {Line[]} lines
 */
export function topOf(lines) {
  let top = 0;
  for (const line of lines) {
    if (line.unit !== "count") continue;
    for (const value of line.values) if (value !== null && value > top) top = value;
  }
  return Math.max(1, top * 1.08);
}

/**
 * Whether there is anything to draw: a chart of nothing says so in words.
 * @param {Series} series
 */
export function isEmpty(series) {
  return series.lines.every((line) => line.values.every((value) => value === null));
}
