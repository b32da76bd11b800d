// A classic script, loaded before the first paint: whoever follows the system's theme must not see a flash of the other one.
// With a theme of their own the server has already said so in <html>, and this does nothing.
(() => {
  const root = document.documentElement;
  if (!root.hasAttribute("data-aid-follows-system")) return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => root.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
  dark.addEventListener("change", apply);
  apply();
})();
