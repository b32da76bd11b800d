// @ts-check
/**
 * What a key means: pure, so that it can be tested without a browser.
 *
 * @typedef {{kind: "search"} | {kind: "help"} | {kind: "prefix"} | {kind: "go", key: string} | {kind: "none"}} Command
 */

/**
 * @param {{key: string, isTyping: boolean, hasModifier: boolean, isAfterPrefix: boolean}} press
 * @returns {Command}
 */
export function readKey({ key, isTyping, hasModifier, isAfterPrefix }) {
  if (isTyping || hasModifier) return { kind: "none" };
  if (isAfterPrefix) return /^[a-z]$/.test(key) ? { kind: "go", key } : { kind: "none" };
  if (key === "/") return { kind: "search" };
  if (key === "?") return { kind: "help" };
  if (key === "g") return { kind: "prefix" };
  return { kind: "none" };
}
