import assert from "node:assert/strict";
import test from "node:test";

import { formatValue, isEmpty, toColumns, topOf } from "../../frontend/static/js/series.js";

const line = (values, unit = "count") => ({ name: "GPUs", unit, values });

test("a missing value is a dash and zero is zero", () => {
  assert.equal(formatValue(null, "count"), "–");
  assert.equal(formatValue(undefined, "ratio"), "–");
  assert.equal(formatValue(0, "count"), "0");
  assert.equal(formatValue(0.416, "ratio"), "42 %");
});

test("times come first, then a column per line", () => {
  assert.deepEqual(toColumns({ times: [1, 2], lines: [line([3, null])], message: "" }), [
    [1, 2],
    [3, null],
  ]);
});

test("the count axis ignores shares and never collapses", () => {
  assert.equal(topOf([line([0.9], "ratio")]), 1);
  assert.equal(topOf([line([100, 50])]), 108);
});

test("a series of gaps is empty, a series of zeros is not", () => {
  assert.equal(isEmpty({ times: [1], lines: [line([null])], message: "" }), true);
  assert.equal(isEmpty({ times: [1], lines: [line([0])], message: "" }), false);
});
