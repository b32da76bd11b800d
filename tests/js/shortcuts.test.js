import assert from "node:assert/strict";
import { test } from "node:test";
import { readKey } from "../../frontend/static/js/shortcuts.js";

const press = { isTyping: false, hasModifier: false, isAfterPrefix: false };

test("slash searches, question mark helps, g waits for a letter", () => {
  assert.deepEqual(readKey({ ...press, key: "/" }), { kind: "search" });
  assert.deepEqual(readKey({ ...press, key: "?" }), { kind: "help" });
  assert.deepEqual(readKey({ ...press, key: "g" }), { kind: "prefix" });
  assert.deepEqual(readKey({ ...press, key: "q", isAfterPrefix: true }), { kind: "go", key: "q" });
});

test("keys mean nothing while somebody types or holds a modifier", () => {
  assert.deepEqual(readKey({ ...press, key: "/", isTyping: true }), { kind: "none" });
  assert.deepEqual(readKey({ ...press, key: "g", hasModifier: true }), { kind: "none" });
  assert.deepEqual(readKey({ ...press, key: "Enter", isAfterPrefix: true }), { kind: "none" });
});
