import assert from "node:assert/strict";
import { test } from "node:test";
import { nameControl } from "../../frontend/static/js/focus.js";

/** As much of an element as a name needs. */
function control(localName, { href, name, text = "", row } = {}) {
  const attributes = { href, name };
  return {
    localName,
    textContent: text,
    getAttribute: (wanted) => attributes[wanted] ?? null,
    closest: () => (row ? { querySelector: () => ({ getAttribute: () => row }) } : null),
  };
}

test("a link is called by where it leads, whatever it says", () => {
  assert.equal(nameControl(control("a", { href: "/a", text: "3 running" })), nameControl(control("a", { href: "/a", text: "4 running" })));
});

test("the same button in another row is another one", () => {
  const first = control("summary", { text: " Running ", row: "/workloads/1" });
  const second = control("summary", { text: "Running", row: "/workloads/2" });
  assert.notEqual(nameControl(first), nameControl(second));
  assert.equal(nameControl(first), nameControl(control("summary", { text: "Running", row: "/workloads/1" })));
});
