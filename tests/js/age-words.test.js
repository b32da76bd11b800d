import assert from "node:assert/strict";
import { test } from "node:test";
import { describeAge, readSeconds } from "../../frontend/static/js/age-words.js";

test("an age has one unit, the largest that fits", () => {
  assert.equal(describeAge(0.4), "just now");
  assert.equal(describeAge(4.9), "4 s ago");
  assert.equal(describeAge(61), "1 min ago");
  assert.equal(describeAge(7500), "2 h ago");
  assert.equal(describeAge(200000), "2 d ago");
});

test("what was never seen has no age", () => {
  assert.equal(readSeconds("12"), 12);
  assert.ok(Number.isNaN(readSeconds("")));
  assert.ok(Number.isNaN(readSeconds(undefined)));
});
