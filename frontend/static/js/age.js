// @ts-check
import { describeAge, readSeconds } from "./age-words.js";

const TICK_MILLISECONDS = 1000;

/**
 * Counts on from the age that the server wrote, and turns amber after `data-late-after` seconds. It counts by the browser's
 * monotonic clock, so a wrong wall clock on either side does no harm.
 */
class AidAge extends HTMLElement {
  connectedCallback() {
    this.startedAt = performance.now();
    this.timer = setInterval(() => this.tick(), TICK_MILLISECONDS);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  tick() {
    if (document.hidden) return;
    const seconds = readSeconds(this.dataset.seconds) + (performance.now() - (this.startedAt ?? 0)) / 1000;
    if (Number.isNaN(seconds)) return;
    const words = this.querySelector("[data-aid-words]") ?? this;
    words.textContent = describeAge(seconds);
    const lateAfter = Number(this.dataset.lateAfter);
    if (lateAfter) this.classList.toggle("is-late", seconds > lateAfter);
  }
}

customElements.define("aid-age", AidAge);
