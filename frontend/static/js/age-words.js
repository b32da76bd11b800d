// @ts-check
/** How long ago, in the words that the server uses (frontend/words.py). */

/** @type {[number, string][]} */
const STEPS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/**
 * The seconds that an element was given; NaN for an element that knows of none: what was never seen does not age.
 * @param {string | undefined} text
 */
export function readSeconds(text) {
  return text?.trim() ? Number(text) : NaN;
}

/** @param {number} seconds */
export function describeAge(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [size, unit] of STEPS) if (whole >= size) return `${Math.floor(whole / size)} ${unit} ago`;
  return "just now";
}
