// @ts-check
/** Toasts: good news leaves by itself, bad news stays until it is closed. Also says when a request failed on its way. */
const STAY_MILLISECONDS = 6000;

class AidToast extends HTMLElement {
  connectedCallback() {
    if (this.dataset.aidStays === undefined) this.timer = setTimeout(() => this.remove(), STAY_MILLISECONDS);
    this.addEventListener("click", (event) => {
      if (event.target instanceof Element && event.target.closest("[data-aid-close]")) this.remove();
    });
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
  }
}

customElements.define("aid-toast", AidToast);

/** @param {string} words */
function complain(words) {
  const template = document.querySelector("template[data-aid-toast]");
  const toasts = document.getElementById("toasts");
  if (!(template instanceof HTMLTemplateElement) || !toasts || toasts.querySelector("[data-aid-complaint]")) return;
  const copy = template.content.cloneNode(true);
  if (!(copy instanceof DocumentFragment)) return;
  const slot = copy.querySelector("[data-aid-words]");
  if (slot) slot.textContent = words;
  copy.querySelector("aid-toast")?.setAttribute("data-aid-complaint", "");
  toasts.append(copy);
}

document.addEventListener("htmx:responseError", (event) => {
  const detail = /** @type {CustomEvent} */ (event).detail;
  if (detail.shouldSwap || detail.target?.dataset?.aidTopics !== undefined) return;
  complain(`The server answered ${detail.xhr?.status}. Nothing was changed; try again.`);
});

document.addEventListener("htmx:sendError", (event) => {
  // A live region tries again by itself, and its age says how old it is.
  const detail = /** @type {CustomEvent} */ (event).detail;
  if (detail.target?.dataset?.aidTopics !== undefined) return;
  complain("The server could not be reached. Nothing was changed; try again.");
});
