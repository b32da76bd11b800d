// @ts-check
/**
 * Shows what a node's GPUs do while somebody points at it or has it focused: `<aid-peek>` around links marked `data-aid-peek`.
 * The card is the server's own fragment, found next to the link's address, so a strip of 8,000 cells carries no details.
 */
const DELAY_MILLISECONDS = 120;
const FRESH_MILLISECONDS = 10_000;

class AidPeek extends HTMLElement {
  connectedCallback() {
    /** @type {Map<string, {html: string, at: number}>} */
    this.cards = new Map();
    this.card = document.createElement("div");
    this.card.className = "peek-card";
    this.card.setAttribute("role", "tooltip");
    this.card.hidden = true;
    this.append(this.card);
    this.abort = new AbortController();
    const options = { signal: this.abort.signal };
    this.addEventListener("pointerover", (event) => this.point(event), options);
    this.addEventListener("focusin", (event) => this.point(event), options);
    this.addEventListener("pointerleave", () => this.hide(), options);
    this.addEventListener("focusout", () => this.hide(), options);
    this.addEventListener("keydown", (event) => event.key === "Escape" && this.hide(), options);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.card?.remove();
  }

  /** @param {Event} event */
  point(event) {
    const link = event.target instanceof Element ? event.target.closest("a[data-aid-peek]") : null;
    if (!(link instanceof HTMLAnchorElement)) {
      if (!(event.target instanceof Node && this.card?.contains(event.target))) this.hide();
      return;
    }
    if (link === this.link) return;
    this.hide();
    this.link = link;
    this.timer = setTimeout(() => this.show(link), DELAY_MILLISECONDS);
  }

  hide() {
    clearTimeout(this.timer);
    this.link = undefined;
    if (this.card) this.card.hidden = true;
  }

  /** @param {HTMLAnchorElement} link */
  async show(link) {
    const html = await this.fetchCard(`${link.pathname}/peek${link.search}`);
    if (!html || link !== this.link || !this.card) return;
    this.card.innerHTML = html;
    this.card.hidden = false;
    const around = this.getBoundingClientRect();
    const place = link.getBoundingClientRect();
    const left = Math.min(place.left - around.left, Math.max(0, around.width - this.card.offsetWidth));
    this.card.style.left = `${left}px`;
    this.card.style.top = `${place.bottom - around.top + 4}px`;
  }

  /** @param {string} address */
  async fetchCard(address) {
    const known = this.cards?.get(address);
    if (known && Date.now() - known.at < FRESH_MILLISECONDS) return known.html;
    try {
      const answer = await fetch(address, { signal: this.abort?.signal });
      if (!answer.ok) return "";
      const html = await answer.text();
      this.cards?.set(address, { html, at: Date.now() });
      return html;
    } catch {
      return ""; // The link itself leads to the same facts.
    }
  }
}

customElements.define("aid-peek", AidPeek);
