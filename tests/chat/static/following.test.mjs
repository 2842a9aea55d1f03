// Following in the client: badges of channels that one is not in, and channels that come and go on other devices.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../../chat/static/chat/client/store.js";
import { hello, info, joinReply, message, messages } from "./support.mjs";

function activity(number, text = "hi") {
  const last = text && { id: `m${number}`, number, author: "bob", text, created_at: "2026-01-01T10:00:00.000Z" };
  return { event: "channel.activity", channel: "general", data: { head: { number, seq: number, flow: number }, last } };
}

function greeted(channels = [info()], more = {}) {
  const store = new Store();
  store.hello(hello({ channels, ...more }));
  return store;
}

test("activity counts what is unread, in any order, and shows what was said last", () => {
  const store = greeted();
  for (const number of [1, 3, 2]) store.fold(activity(number), 0);
  const channel = store.channel("general");
  assert.equal(channel.unread, 3);
  assert.equal(channel.info.last.number, 3);
  store.fold({ event: "read.updated", channel: "general", data: { read_number: 2, read_flow: 2, own: 0, read_rev: 1 } }, 0);
  assert.equal(channel.unread, 1);
});

test("activity moves no cursor and adds no message", () => {
  const store = greeted();
  store.fold(activity(4), 0);
  assert.equal(store.channel("general").cursor, null);
  assert.deepEqual(store.cursors(), {});
  store.join(joinReply(messages(1, 4), { seq: 4 }), null);
  assert.deepEqual(store.cursors(), { general: 4 });
  store.fold(activity(9), 0);
  assert.deepEqual(store.cursors(), { general: 4 }, "one that was on its way when the channel was entered");
});

test("a channel that is added on another device is known, with what is unread", () => {
  const store = greeted([]);
  const data = info({ key: "dm-1", kind: "direct", name: "bob", number: 2, level: "all" });
  store.fold({ event: "channel.added", channel: "dm-1", data }, 0);
  assert.equal(store.channel("dm-1").unread, 2);
  store.fold({ event: "level.changed", channel: "dm-1", data: { level: "nothing" } }, 0);
  assert.equal(store.channel("dm-1").info.level, "nothing");
});

test("what one belongs to no longer is no longer one's own; a private one is forgotten", () => {
  const store = greeted([info(), info({ key: "prv-1", kind: "private" })]);
  store.join(joinReply(messages(1, 2)), null);
  for (const key of ["general", "prv-1", "unknown"]) store.fold({ event: "channel.removed", channel: key, data: {} }, 0);
  assert.equal(store.channel("general").info.role, null);
  assert.equal(store.channel("general").isEntered, false);
  assert.equal(store.channel("prv-1"), undefined);
});

test("a channel that was left on another device while this one was away is left here, too", () => {
  const store = greeted([info(), info({ key: "tea" })]);
  store.hello(hello({ channels: [info()], channels_left: 1 }));
  assert.equal(store.channel("tea").info.role, "member", "it may be among those that the greeting has no room for");
  store.hello(hello({ channels: [info()], channels_left: 0 }));
  assert.equal(store.channel("tea").info.role, null);
  assert.equal(store.channel("general").info.role, "member");
});

test("a deleted message goes from the list of channels, too", () => {
  const store = greeted();
  store.fold(activity(1), 0);
  const gone = activity(1);
  gone.data.last.text = null;
  store.fold(gone, 0);
  assert.equal(store.channel("general").info.last.text, null);
  assert.equal(store.fold({ event: "message.new", channel: "general", seq: 2, data: message(2) }, 0), null);
});
