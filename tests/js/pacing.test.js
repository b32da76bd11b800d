import assert from "node:assert/strict";
import { test } from "node:test";
import { concerns, createPace, noteChange, noteEnd, noteStart } from "../../frontend/static/js/pacing.js";

test("a burst of changes becomes one refresh a moment later", () => {
  const pace = createPace();
  assert.equal(noteChange(pace, 1000), 120);
  assert.equal(noteChange(pace, 1050), null);
  assert.equal(noteChange(pace, 1119), null);
});

test("refreshes keep a distance, so a stream of changes does not become a stream of requests", () => {
  const pace = createPace();
  noteChange(pace, 0);
  noteStart(pace, 120);
  assert.equal(noteEnd(pace, 300), null);
  assert.equal(noteChange(pace, 310), 390);
});

test("a change during a refresh asks for one more", () => {
  const pace = createPace();
  noteStart(pace, 50);
  assert.equal(noteChange(pace, 100), null);
  assert.equal(noteChange(pace, 120), null);
  assert.equal(noteEnd(pace, 200), 400);
  assert.equal(noteChange(pace, 210), null);
});

test("an event of another cluster concerns nobody here", () => {
  assert.equal(concerns({ topics: ["quotas"], cluster: 2 }, "quotas sync", "1"), false);
  assert.equal(concerns({ topics: ["quotas"], cluster: 1 }, "quotas sync", "1"), true);
});

test("an event without a cluster, or of every cluster, concerns all that list its topic", () => {
  assert.equal(concerns({ topics: ["sync"] }, "quotas sync", "1"), true);
  assert.equal(concerns({ topics: ["sync"], cluster: 0 }, "quotas sync", "1"), true);
  assert.equal(concerns({ topics: ["nodes"] }, "quotas sync", "1"), false);
});

test("a page that takes long to make is asked for less often", () => {
  const pace = createPace();
  noteStart(pace, 0);
  noteEnd(pace, 2000);
  assert.equal(noteChange(pace, 2010), 1990);
});
