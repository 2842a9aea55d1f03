// What is shown: rows of a channel, words for times and counts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { initialOf } from "../../../chat/static/chat/dom.js";
import { sanctionLine, termsLine } from "../../../chat/static/chat/explain.js";
import { peopleLine, typingLine } from "../../../chat/static/chat/lines.js";
import { isSameRow, timeline } from "../../../chat/static/chat/timeline.js";
import { dayOf, inWords, timeOf } from "../../../chat/static/chat/times.js";
import { load } from "../../../chat/static/chat/words.js";
import { message } from "./support.mjs";

await Promise.all([load(), load("errors")]);

const now = new Date("2026-01-03T12:00:00");
const at = (text) => new Date(text).toISOString();
const rows = (parts) =>
  timeline({ messages: [], unsent: [], me: "ada", readNumber: Infinity, now, ...parts });

test("days stand between messages, and a new day begins a new group", () => {
  const found = rows({
    messages: [
      message(1, { created_at: at("2026-01-02T23:59:00") }),
      message(2, { created_at: at("2026-01-02T23:59:30") }),
      message(3, { created_at: at("2026-01-03T00:00:10") }),
    ],
  });
  assert.deepEqual(
    found.map(({ kind, words, isGrouped }) => words ?? `${kind} ${isGrouped}`),
    ["yesterday", "message false", "message true", "today", "message false"],
  );
});

test("nothing is grouped with a hidden message, which does not say whose it is", () => {
  const hidden = { author: "eve", text: null, hidden: true };
  const messages = [1, 2, 3, 4].map((number) => message(number, number === 2 ? hidden : { author: "eve" }));
  const found = rows({ messages }).filter(({ kind }) => kind === "message");
  assert.deepEqual(
    found.slice(2).map(({ isGrouped }) => isGrouped),
    [false, true],
  );
});

test("a group ends with another author, and after five minutes", () => {
  const found = rows({
    messages: [
      message(1, { created_at: at("2026-01-03T10:00:00") }),
      message(2, { created_at: at("2026-01-03T10:04:59") }),
      message(3, { created_at: at("2026-01-03T10:10:00") }),
      message(4, { created_at: at("2026-01-03T10:10:01"), author: "eve" }),
    ],
  });
  assert.deepEqual(
    found.slice(1).map(({ isGrouped }) => isGrouped),
    [false, true, false, false],
  );
});

test("the mark of what is new stands once, above the first message of somebody else", () => {
  const found = rows({
    messages: [message(1), message(2, { author: "ada" }), message(3), message(4)],
    readNumber: 1,
  });
  assert.deepEqual(
    found.map(({ kind }) => kind),
    ["day", "message", "message", "new", "message", "message"],
  );
});

test("one's own message keeps its row when it is acknowledged", () => {
  const unsent = { nonce: "n1", text: "hi", created_at: at("2026-01-03T10:00:00"), state: "sending" };
  const [before] = rows({ unsent: [unsent] });
  const after = rows({ messages: [message(1, { author: "ada", nonce: "n1" })] }).at(-1);
  assert.equal(before.key, after.key);
  assert.equal(isSameRow(before, after), false);
});

test("days and typists are said in words", () => {
  assert.equal(dayOf(new Date("2026-01-03T00:00:01"), now), "today");
  assert.equal(dayOf(new Date("2025-12-24T10:00:00"), now), "December 24, 2025");
  assert.equal(typingLine([]), "");
  assert.equal(typingLine(["ada"]), "ada is typing…");
  assert.equal(typingLine(["محمد", "ada"]), "\u2068محمد\u2069 and ada are typing…");
  assert.equal(typingLine(["ada", "bob", "eve"]), "ada, bob, and eve are typing…");
  assert.equal(typingLine(["a", "b", "c", "d"]), "Several people are typing…");
});

test("the first people are named, in their own direction, and the others counted", () => {
  assert.equal(peopleLine(["ada", "محمد"]), "ada and \u2068محمد\u2069");
  const many = Array.from({ length: 500 }, (_, index) => `p${index}`);
  assert.equal(peopleLine(many.slice(0, 20)), `${many.slice(0, 19).join(", ")}, and p19`);
  assert.equal(peopleLine(many), `${many.slice(0, 20).join(", ")}, and 480 others`);
});

// A webhook called by a flag had half of it in the place of its picture.
test("the initial of a name is what is seen as its first character", () => {
  assert.deepEqual(["ada", "e\u0301t\u00e9", "\u{1f1e9}\u{1f1ea} news", "\u{1f469}\u{1f3fd}\u200d\u{1f680}x", ""].map(initialOf), [
    "A",
    "E\u0301",
    "\u{1f1e9}\u{1f1ea}",
    "\u{1f469}\u{1f3fd}\u200d\u{1f680}",
    "",
  ]);
  assert.equal(initialOf("a" + "\u0301".repeat(60)), "A");
});

// Whoever was muted was told why, but not for how long.
test("a sanction says what, where, until when by the reader's clock, and why", () => {
  const soon = new Date(Date.now() + 1000).toISOString();
  const clock = timeOf(new Date(soon));
  assert.equal(
    sanctionLine({ kind: "mute", reason: "too loud", until: soon }, "Tea"),
    `You were muted in Tea until ${clock}: too loud`,
  );
  assert.equal(sanctionLine({ kind: "ban", reason: "", until: null }, "Tea"), "You were banned from Tea for good.");
  assert.equal(
    sanctionLine({ kind: "ban", reason: "spam", until: soon }, null),
    `This account was banned until ${clock}: spam`,
  );
  assert.equal(sanctionLine({ kind: "kick", reason: "", until: soon }, "Tea"), "You were removed from Tea.");
  assert.equal(sanctionLine({ kind: "lift", reason: "" }, null), "You may write again.");
  assert.equal(sanctionLine({ kind: "new", reason: "" }, "Tea"), "A moderator acted on your account.");
});

test("an end on another day names the day, in another year the year", () => {
  const line = (until) => termsLine("muted_here", { until: at(until), reason: "" }, now);
  const clock = timeOf(new Date("2026-01-05T14:30:00"));
  assert.equal(line("2026-01-03T14:30:00"), `You are muted here until ${clock}.`);
  assert.equal(line("2026-01-05T14:30:00"), `You are muted here until Monday, January 5 at ${clock}.`);
  assert.equal(line("2027-01-05T14:30:00"), `You are muted here until January 5, 2027 at ${clock}.`);
});
