// ChannelState and Store: snapshot + events = state, however often and in whatever order things are told.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ChannelState } from "../../../chat/static/chat/client/channel.js";
import { Store } from "../../../chat/static/chat/client/store.js";
import { hello, info, joinReply, message, messages, seeded } from "./support.mjs";

function joined(list, changes = {}) {
  const channel = new ChannelState(info());
  channel.join(joinReply(list, changes), null);
  return channel;
}

const numbers = (channel) => channel.messages.map(({ number }) => number);

test("a join shows the newest messages, oldest first, and knows whether there are older ones", () => {
  const channel = joined(messages(26, 50));
  assert.equal(channel.messages.length, 25);
  assert.equal(channel.hasOlder, true);
  assert.equal(channel.cursor, 50);
  assert.equal(joined(messages(1, 3)).hasOlder, false);
  assert.equal(joined([]).hasOlder, false);
});

test("an event told twice is shown once", () => {
  const channel = joined(messages(1, 2));
  assert.equal(channel.take(message(3), 3), true);
  assert.equal(channel.take(message(3), 3), false);
  assert.deepEqual(numbers(channel), [1, 2, 3]);
});

test("an edit replaces its message, and an older state of it does not come back", () => {
  const channel = joined(messages(1, 3));
  channel.take(message(2, { text: "second", changed_seq: 5 }), 5);
  channel.take(message(2, { text: "first", changed_seq: 4 }), 4);
  assert.equal(channel.find("m2").text, "second");
  assert.equal(channel.messages[1].text, "second");
  assert.equal(channel.cursor, 5);
});

test("a deleted message keeps its place", () => {
  const channel = joined(messages(1, 3));
  channel.take(message(2, { text: null, deleted_at: "2026-01-01T11:00:00.000Z", changed_seq: 4 }), 4);
  assert.deepEqual(numbers(channel), [1, 2, 3]);
  assert.equal(channel.messages[1].text, null);
});

test("the answer to an edit changes the message but not the cursor: its event does that, in its place", () => {
  const channel = joined(messages(1, 3));
  channel.amend(message(2, { text: "mine", changed_seq: 9 }));
  assert.equal(channel.find("m2").text, "mine");
  assert.equal(channel.cursor, 3);
});

test("a page of history is put before what is known, without repeating any of it", () => {
  const channel = joined(messages(26, 50));
  channel.prepend({ messages: messages(10, 27), has_more: true });
  assert.deepEqual(
    numbers(channel),
    messages(10, 50).map(({ number }) => number),
  );
  assert.equal(channel.hasOlder, true);
});

test("a change of a message that is older than the window is not lost when its page comes later", () => {
  const channel = joined(messages(26, 50));
  channel.take(message(20, { text: "edited", changed_seq: 51 }), 51);
  assert.equal(channel.oldest, 26);
  channel.prepend({ messages: messages(1, 25), has_more: false });
  assert.equal(channel.find("m20").text, "edited");
  assert.equal(channel.cursor, 51);
});

test("a reset forgets the window; the next join sets another one", () => {
  const channel = joined(messages(1, 5));
  assert.equal(channel.change({ reset: true, seq: 900 }), false);
  assert.equal(channel.isLoaded, false);
  assert.equal(channel.cursor, null);
  channel.take(message(900), 900);
  channel.join(joinReply(messages(876, 900)), null);
  assert.equal(channel.oldest, 876);
  assert.equal(channel.cursor, 900);
});

test("a join that answers with a reset replaces the window instead of joining two ends with a gap between", () => {
  const channel = joined(messages(1, 5));
  channel.join(joinReply(messages(500, 524), { reset: true }), 5);
  assert.deepEqual(
    numbers(channel),
    messages(500, 524).map(({ number }) => number),
  );
  assert.equal(channel.hasOlder, true);
});

test("what is unread is the newest number less the read marker, and the marker never goes back", () => {
  const channel = joined(messages(1, 5));
  assert.equal(channel.unread, 5);
  channel.read(4);
  channel.read(2);
  assert.equal(channel.unread, 1);
  channel.describe(info({ number: 5, read_number: 1, mentions: 3 }));
  assert.equal(channel.unread, 1);
});

test("one's own messages are not unread, whether or not the others' are", () => {
  const channel = joined(messages(1, 3));
  channel.me = "ada";
  const mine = (number) => message(number, { author: "ada" });
  channel.take(mine(4), 4);
  channel.take(mine(4), 4);
  assert.equal(channel.unread, 3);
  channel.read(3);
  assert.equal(channel.unread, 0);
  channel.take(mine(5), 5);
  assert.deepEqual([channel.unread, channel.info.read_number, channel.info.own], [0, 5, 0]);
  channel.take(message(6), 6);
  channel.take(mine(7), 7);
  assert.deepEqual([channel.unread, channel.info.read_number, channel.info.own], [1, 5, 1]);
});

test("of what the server says of the marker the newest counts, also where that moved back", () => {
  const channel = joined(messages(1, 5));
  channel.mark({ read_number: 5, read_flow: 5, own: 0, read_rev: 2 });
  channel.mark({ read_number: 3, read_flow: 3, own: 0, read_rev: 1 });
  assert.equal(channel.unread, 0);
  channel.mark({ read_number: 2, read_flow: 2, own: 1, read_rev: 3 });
  assert.equal(channel.unread, 2);
  channel.describe(info({ number: 5, read_number: 5, read_rev: 2 }));
  assert.equal(channel.unread, 2);
  channel.describe(info({ number: 5, read_number: 4, read_rev: 4 }));
  assert.equal(channel.unread, 1);
});

test("mentions count once each, and are gone when the channel is read to its end", () => {
  const channel = joined(messages(1, 2));
  channel.mention({ number: 3 });
  channel.mention({ number: 3 });
  assert.equal(channel.info.mentions, 1);
  channel.take(message(3), 3);
  channel.read(3);
  assert.equal(channel.info.mentions, 0);
  channel.mention({ number: 3 });
  assert.equal(channel.info.mentions, 0);
});

test("members come and go by name, and their count with them", () => {
  const channel = joined([]);
  channel.setMember("bob", "online");
  channel.setMember("bob", "online");
  channel.setPresence("bob", "away");
  channel.setPresence("nobody", "away");
  assert.deepEqual(
    [...channel.members],
    [
      ["ada", "online"],
      ["bob", "away"],
    ],
  );
  assert.equal(channel.memberCount, 2);
  channel.removeMember("bob");
  assert.equal(channel.memberCount, 1);
});

test("members come in pages, and what was told of them meanwhile stays true", () => {
  const channel = joined([], { member_count: 4, members_next: "0_ada" });
  channel.setPresence("eve", "online"); // moved from a page to come into one that was read
  channel.removeMember("bob"); // never shown
  channel.addMembers({ results: [{ username: "eve", status: "away" }, { username: "mia", status: "away" }], next: null });
  assert.deepEqual(Object.fromEntries(channel.members), { ada: "online", eve: "online", mia: "away" });
  assert.equal(channel.memberCount, 3);
  assert.equal(channel.membersNext, null);
});

test("who types is shown for six seconds, or until the message is there", () => {
  const channel = joined([]);
  channel.setTyping("bob", true, 0);
  channel.setTyping("eve", true, 3_000);
  assert.deepEqual(channel.typists(5_999), ["bob", "eve"]);
  assert.deepEqual(channel.typists(6_000), ["eve"]);
  channel.take(message(1, { author: "eve" }), 1);
  assert.deepEqual(channel.typists(6_001), []);
});

test("the window is kept from growing without end, and what is let go can be read again", () => {
  const channel = joined(messages(1, 10));
  channel.trim(4);
  assert.deepEqual(numbers(channel), [7, 8, 9, 10]);
  assert.equal(channel.hasOlder, true);
  channel.prepend({ messages: messages(1, 6), has_more: false });
  assert.equal(channel.messages.length, 10);
});

test("law: a snapshot and the rest of the stream, with repeats and a cut line, equal the whole stream", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seeded(seed);
    const stream = randomStream(random, 60);
    const whole = joined([]);
    for (const event of stream) whole.take(event, event.changed_seq);

    const cut = Math.floor(random() * stream.length);
    const other = joined(present(stream.slice(0, cut)));
    for (let at = cut; at < stream.length; at += 1) {
      other.take(stream[at], stream[at].changed_seq);
      if (random() < 0.2) other.take(stream[Math.floor(random() * (at + 1))], stream[at].changed_seq);
      if (random() < 0.1) {
        // The line breaks: some events are missed, then a resume answers with what changed since the cursor.
        at = Math.min(stream.length - 1, at + Math.floor(random() * 10));
        const missed = present(stream.slice(0, at + 1)).filter(
          ({ changed_seq }) => changed_seq > other.cursor,
        );
        missed.sort((one, two) => one.changed_seq - two.changed_seq);
        other.change({ messages: missed, seq: stream[at].changed_seq });
      }
    }
    assert.deepEqual(other.messages, whole.messages, `seed ${seed}`);
    assert.equal(other.cursor, whole.cursor);
  }
});

function randomStream(random, length) {
  const stream = [];
  let number = 0;
  for (let seq = 1; seq <= length; seq += 1) {
    const isEdit = number > 0 && random() < 0.3;
    const target = isEdit ? 1 + Math.floor(random() * number) : ++number;
    const first = stream.find((event) => event.number === target);
    stream.push(message(target, { seq: first?.seq ?? seq, changed_seq: seq, text: `state ${seq}` }));
  }
  return stream;
}

/** The present state of everything in a part of the stream, by number. */
function present(stream) {
  const latest = new Map();
  for (const event of stream) latest.set(event.number, event);
  return [...latest.values()].sort((one, two) => one.number - two.number);
}

test("a store resumes exactly the channels it is in", () => {
  const store = new Store();
  store.hello(hello({ channels: [info(), info({ key: "random" })] }));
  assert.deepEqual(store.cursors(), {});
  store.join(joinReply(messages(1, 7)), null);
  assert.deepEqual(store.cursors(), { general: 7 });
});

test("a hello after a break brings what was missed, and says which channels must be read anew", () => {
  const store = new Store();
  store.hello(hello());
  store.join(joinReply(messages(1, 7)), null);
  store.join(joinReply(messages(1, 2), { channel: info({ key: "random" }) }), null);
  const again = store.hello(
    hello({ resume: { general: { messages: [message(8)], seq: 8 }, random: { reset: true, seq: 900 } } }),
  );
  assert.deepEqual(again, ["random"]);
  assert.equal(store.channel("general").newest, 8);
  assert.equal(store.channel("general").isStale, true);
});

test("another epoch drops every cursor: the history is not the one they belong to", () => {
  const store = new Store();
  store.hello(hello());
  store.join(joinReply(messages(1, 7)), null);
  assert.deepEqual(store.hello(hello({ epoch: "e2" })), ["general"]);
  assert.deepEqual(store.cursors(), {});
});

test("what is told to everybody about a channel changes nothing of one's own role and markers", () => {
  const store = new Store();
  store.hello(hello({ channels: [info({ role: "owner", number: 9, read_number: 4 })] }));
  const told = info({ role: null, name: "Main hall", topic: "talk", slow_mode_s: 5 });
  store.fold({ event: "channel.updated", channel: "general", data: told }, 0);
  store.fold({ event: "channel.created", data: told }, 0);
  const channel = store.channel("general");
  assert.equal(channel.info.name, "Main hall");
  assert.equal(channel.info.slow_mode_s, 5);
  assert.equal(channel.info.role, "owner");
  assert.equal(channel.unread, 5);
});

test("unknown events, and events of unknown channels, change nothing", () => {
  const store = new Store();
  store.hello(hello());
  assert.equal(store.fold({ event: "weather.changed", channel: "general", data: {} }, 0), null);
  assert.equal(store.fold({ event: "message.new", channel: "nowhere", seq: 1, data: message(1) }, 0), null);
  assert.equal(
    store.fold({ event: "typing", channel: "nowhere", data: { username: "bob", on: true } }, 0),
    null,
  );
});

test("listeners are told which channel changed", () => {
  const store = new Store();
  store.hello(hello());
  store.join(joinReply([]), null);
  const told = [];
  const unsubscribe = store.subscribe((key) => told.push(key));
  const news = store.fold({ event: "message.new", channel: "general", seq: 1, data: message(1) }, 0);
  unsubscribe();
  store.touch("general");
  assert.deepEqual(told, ["general"]);
  assert.equal(news.kind, "message");
});
