// @ts-check
/**
 * The keyboard's place in a part of a page that is replaced by a newer one: its control is found again by what it leads to or says,
 * and by the row that it stands in. A control with an id is htmx's to find.
 */
const CONTROLS = "a[href], button, summary, input, select, textarea, [tabindex]";

/**
 * What a control is called, alike before and after.
 * @param {Pick<Element, "closest" | "getAttribute" | "localName" | "textContent">} control
 */
export function nameControl(control) {
  const row = control.closest("tr, li")?.querySelector("a[href]")?.getAttribute("href") ?? "";
  const what = control.getAttribute("href") ?? control.getAttribute("name") ?? control.textContent?.trim() ?? "";
  return [row, control.localName, what].join(" ");
}

/**
 * The name of the control in `part` that has the focus; empty when none has, or when it has an id.
 * @param {Element} part
 */
export function findPlace(part) {
  const active = document.activeElement;
  return active && !active.id && active !== part && part.contains(active) ? nameControl(active) : "";
}

/**
 * Puts the focus, if the swap has lost it, back to the control of that name.
 * @param {Element} part
 * @param {string} name
 */
export function returnTo(part, name) {
  if (document.activeElement && document.activeElement !== document.body) return;
  for (const control of part.querySelectorAll(CONTROLS)) {
    if (control instanceof HTMLElement && nameControl(control) === name) {
      control.focus({ preventScroll: true });
      return;
    }
  }
}
