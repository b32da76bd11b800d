// @ts-check
/**
 * Small helps for forms. `data-aid-submit-on-change`: a choice takes effect at once. `data-aid-guard`: what was typed is not lost
 * by leaving. `data-aid-typed-name="name"`: the button waits for the name.
 */
let isDirty = false;

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field instanceof HTMLSelectElement && field.dataset.aidSubmitOnChange !== undefined) field.form?.requestSubmit();
});

document.addEventListener("input", (event) => {
  const field = event.target;
  if (!(field instanceof HTMLElement)) return;
  if (field.closest("form[data-aid-guard]")) isDirty = true;
  const form = field.closest("form[data-aid-typed-name]");
  if (form instanceof HTMLFormElement && field instanceof HTMLInputElement) {
    const button = form.querySelector("button[data-aid-waits]");
    if (button instanceof HTMLButtonElement) button.disabled = field.value.trim() !== form.dataset.aidTypedName;
  }
});

document.addEventListener("submit", () => {
  isDirty = false;
});

addEventListener("beforeunload", (event) => {
  if (isDirty && document.querySelector("form[data-aid-guard]")) event.preventDefault();
});
