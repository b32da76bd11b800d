import assert from "node:assert/strict";
import { test } from "node:test";
import { findNeighbour } from "../../frontend/static/js/tree-moves.js";

const rows = [
  { level: 1, expanded: "true" },
  { level: 2, expanded: "true" },
  { level: 3, expanded: null },
  { level: 2, expanded: "false" },
];

test("up and down stop at the ends", () => {
  assert.deepEqual(findNeighbour(rows, 0, "ArrowDown"), { index: 1 });
  assert.equal(findNeighbour(rows, 0, "ArrowUp"), null);
  assert.equal(findNeighbour(rows, 3, "ArrowDown"), null);
});

test("right opens a closed row and enters an open one", () => {
  assert.deepEqual(findNeighbour(rows, 3, "ArrowRight"), { toggle: true });
  assert.deepEqual(findNeighbour(rows, 1, "ArrowRight"), { index: 2 });
  assert.equal(findNeighbour(rows, 2, "ArrowRight"), null);
});

test("left closes an open row and leaves a leaf for its parent", () => {
  assert.deepEqual(findNeighbour(rows, 1, "ArrowLeft"), { toggle: true });
  assert.deepEqual(findNeighbour(rows, 2, "ArrowLeft"), { index: 1 });
  assert.deepEqual(findNeighbour(rows, 3, "ArrowLeft"), { index: 0 });
});
