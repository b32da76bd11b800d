// @ts-check
import { findPlace, returnTo } from "./focus.js";
import { concerns, createPace, noteChange, noteEnd, noteStart } from "./pacing.js";

/** @typedef {import("./pacing.js").Pace} Pace */

const FALLBACK_MILLISECONDS = 5000;
const UNSETTLED_MILLISECONDS = 1000;
const REFRESH_EVENT = "aid-refresh";

/**
 * Keeps a page live: one event stream per page, and every element with `data-aid-topics` fetches itself again, by its own hx-get,
 * when one of its topics changed. In a hidden tab nothing happens until it is shown again. When the stream fails, everything is
 * refreshed every five seconds until it is back. An element that waits for something (`data-aid-unsettled`) is refreshed until it
 * has come, since its event may have been told before this page listened.
 */
class AidLive extends HTMLElement {
  connectedCallback() {
    /** @type {Map<string, {pace: Pace, clicks: number, place: string, timer?: ReturnType<typeof setTimeout>}>} */
    this.regions = new Map();
    this.missed = false;
    this.abort = new AbortController();
    const options = { signal: this.abort.signal };
    document.addEventListener("visibilitychange", () => this.show(), options);
    document.addEventListener("htmx:beforeRequest", (event) => this.markStart(event), options);
    document.addEventListener("htmx:afterRequest", (event) => this.markEnd(event), options);
    document.addEventListener("htmx:beforeSwap", (event) => this.yieldToClick(event), options);
    document.addEventListener("htmx:beforeSwap", (event) => this.rememberPlace(event), options);
    document.addEventListener("htmx:afterSwap", (event) => this.returnToPlace(event), options);
    this.watchdog = setInterval(() => this.watch(), FALLBACK_MILLISECONDS);
    this.impatience = setInterval(() => this.refreshUnsettled(), UNSETTLED_MILLISECONDS);
    this.heardAt = performance.now();
    this.open();
  }

  disconnectedCallback() {
    clearInterval(this.watchdog);
    clearInterval(this.impatience);
    this.abort?.abort();
    this.stream?.close();
    for (const region of this.regions?.values() ?? []) clearTimeout(region.timer);
  }

  open() {
    const source = this.getAttribute("src");
    if (!source) return;
    this.stream?.close();
    this.stream = new EventSource(source);
    this.stream.addEventListener("hello", () => this.greet());
    this.stream.addEventListener("change", (event) => this.hear(JSON.parse(/** @type {MessageEvent} */ (event).data)));
  }

  greet() {
    this.heardAt = performance.now();
    // After a gap nobody knows what was missed; at the first connection the page itself is fresh.
    if (this.hasGreeted) this.refreshAll();
    this.hasGreeted = true;
    document.documentElement.toggleAttribute("data-aid-live", true);
  }

  /** @param {{topics: string[], cluster?: number}} change */
  hear(change) {
    this.heardAt = performance.now();
    for (const element of this.liveElements()) {
      if (concerns(change, element.dataset.aidTopics ?? "", element.dataset.aidCluster ?? "")) this.plan(element);
    }
  }

  watch() {
    const state = this.stream?.readyState;
    if (state === EventSource.OPEN) return;
    document.documentElement.toggleAttribute("data-aid-live", false);
    if (document.hidden) return;
    this.refreshAll();
    // A stream that was refused (a restart of the server answers 502) is closed for good: open another.
    if (state === EventSource.CLOSED && performance.now() - (this.heardAt ?? 0) > FALLBACK_MILLISECONDS) this.open();
  }

  show() {
    if (document.hidden || !this.missed) return;
    this.missed = false;
    this.refreshAll();
  }

  refreshAll() {
    for (const element of this.liveElements()) this.plan(element);
  }

  refreshUnsettled() {
    if (document.hidden) return;
    for (const element of this.liveElements()) if (element.dataset.aidUnsettled !== undefined) this.plan(element);
  }

  /** @returns {Iterable<HTMLElement>} */
  liveElements() {
    return document.querySelectorAll("[data-aid-topics]");
  }

  /** @param {HTMLElement} element */
  plan(element) {
    if (document.hidden) {
      this.missed = true;
      return;
    }
    const region = this.regionOf(element.id);
    this.schedule(element.id, noteChange(region.pace, performance.now()));
  }

  /** @param {string} id */
  regionOf(id) {
    let region = this.regions?.get(id);
    if (!region) {
      region = { pace: createPace(), clicks: 0, place: "" };
      this.regions?.set(id, region);
    }
    return region;
  }

  /**
   * @param {string} id
   * @param {number | null} wait
   */
  schedule(id, wait) {
    if (wait === null) return;
    const region = this.regionOf(id);
    region.timer = setTimeout(() => this.refresh(id), wait);
  }

  /** @param {string} id */
  refresh(id) {
    const element = document.getElementById(id);
    const region = this.regionOf(id);
    if (!element) {
      this.regions?.delete(id);
      return;
    }
    if (region.pace.isBusy) {
      // Somebody's own click is on its way: what it brings is as fresh, and must not be overtaken.
      region.pace.isDirty = true;
      return;
    }
    if (isHeld(element)) {
      // Somebody is reading a reason or typing in there: what they see must not be pulled away under them.
      region.timer = setTimeout(() => this.refresh(id), 1000);
      return;
    }
    noteStart(region.pace, performance.now());
    // An element that htmx does not know yet sends nothing, and so would never be free again.
    region.timer = setTimeout(() => this.finish(id), FALLBACK_MILLISECONDS * 3);
    element.dispatchEvent(new CustomEvent(REFRESH_EVENT, { bubbles: false }));
  }

  /** @param {Event} event */
  markStart(event) {
    const id = liveIdOf(event);
    if (!id) return;
    const region = this.regionOf(id);
    if (isClick(event)) region.clicks += 1;
    clearTimeout(region.timer);
    noteStart(region.pace, performance.now());
    // Should its end never be told, the region must not stay busy for ever.
    region.timer = setTimeout(() => this.finish(id), FALLBACK_MILLISECONDS * 3);
  }

  /** @param {Event} event */
  markEnd(event) {
    const id = liveIdOf(event);
    if (!id) return;
    const region = this.regionOf(id);
    if (isClick(event)) region.clicks = Math.max(0, region.clicks - 1);
    this.finish(id);
  }

  /**
   * A refresh that was under way when somebody clicked is not shown: it would take away the element that the click's own answer
   * is going to replace.
   * @param {Event} event
   */
  yieldToClick(event) {
    const id = liveIdOf(event);
    if (id && !isClick(event) && this.regionOf(id).clicks > 0) /** @type {CustomEvent} */ (event).detail.shouldSwap = false;
  }

  /** @param {Event} event */
  rememberPlace(event) {
    const id = liveIdOf(event);
    const element = document.getElementById(id);
    if (element) this.regionOf(id).place = findPlace(element);
  }

  /** @param {Event} event */
  returnToPlace(event) {
    const id = liveIdOf(event);
    const element = document.getElementById(id);
    const place = element ? this.regionOf(id).place : "";
    if (element && place) returnTo(element, place);
  }

  /** @param {string} id */
  finish(id) {
    const region = this.regionOf(id);
    clearTimeout(region.timer);
    this.schedule(id, noteEnd(region.pace, performance.now()));
  }
}

/** @param {Event} event */
function liveIdOf(event) {
  const target = /** @type {CustomEvent} */ (event).detail?.target;
  return target instanceof HTMLElement && target.dataset.aidTopics !== undefined ? target.id : "";
}

/**
 * Whether a request came from something inside the live element, and not from the element's own refresh.
 * @param {Event} event
 */
function isClick(event) {
  const detail = /** @type {CustomEvent} */ (event).detail;
  return detail?.requestConfig?.elt !== detail?.target;
}

/** @param {HTMLElement} element */
function isHeld(element) {
  if (element.querySelector("details[open].reason, details[open].menu, dialog[open], .peek-card:not([hidden])")) return true;
  const active = document.activeElement;
  if (!(active instanceof HTMLElement) || !element.contains(active)) return false;
  if (active instanceof HTMLInputElement || active instanceof HTMLTextAreaElement) return active.value !== active.defaultValue;
  return active instanceof HTMLSelectElement;
}

customElements.define("aid-live", AidLive);
