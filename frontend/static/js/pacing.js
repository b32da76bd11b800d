// @ts-check
/**
 * When to refresh what: pure bookkeeping of the live pages, with the clock passed in.
 *
 * A burst of events becomes one refresh, a moment after its first event; a stream of events becomes a refresh every
 * so often. What happens while a refresh is under way asks for one more.
 */
export const DEBOUNCE_MILLISECONDS = 120;
export const GAP_MILLISECONDS = 400;

/** @typedef {{dueAt: number | null, isBusy: boolean, isDirty: boolean, startedAt: number, endedAt: number}} Pace */

/** @returns {Pace} */
export function createPace() {
  return { dueAt: null, isBusy: false, isDirty: false, startedAt: 0, endedAt: -Infinity };
}

/**
 * Note that something changed. Gives how long to wait before refreshing, or null when a refresh is already planned or under way.
 * @param {Pace} pace
 * @param {number} now
 */
export function noteChange(pace, now) {
  if (pace.isBusy) {
    pace.isDirty = true;
    return null;
  }
  if (pace.dueAt !== null) return null;
  // A page that takes long to make is asked for less often: it pauses at least as long as it took.
  const gap = Math.max(GAP_MILLISECONDS, pace.endedAt - pace.startedAt);
  pace.dueAt = Math.max(now + DEBOUNCE_MILLISECONDS, pace.endedAt + gap);
  return pace.dueAt - now;
}

/**
 * @param {Pace} pace
 * @param {number} now
 */
export function noteStart(pace, now) {
  pace.dueAt = null;
  pace.startedAt = now;
  pace.isBusy = true;
  pace.isDirty = false;
}

/**
 * Note that the refresh ended. Gives how long to wait for the next one, or null when nothing changed meanwhile.
 * @param {Pace} pace
 * @param {number} now
 */
export function noteEnd(pace, now) {
  pace.isBusy = false;
  pace.endedAt = now;
  if (!pace.isDirty) return null;
  pace.isDirty = false;
  return noteChange(pace, now);
}

/**
 * Whether an event concerns an element that lists `wanted` topics, of `cluster` when it names one. An event without a cluster, or
 * with cluster 0, concerns every cluster.
 * @param {{topics: string[], cluster?: number}} event
 * @param {string} wanted
 * @param {string} cluster
 */
export function concerns(event, wanted, cluster) {
  if (event.cluster && cluster && String(event.cluster) !== cluster) return false;
  const topics = wanted.split(/\s+/);
  return event.topics.some((topic) => topics.includes(topic));
}
