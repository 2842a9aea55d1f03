// Threads in the client: what counts in the channel, what a root is told to be, and one open thread kept right.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../../chat/static/chat/client/store.js";
import { Threads } from "../../../chat/static/chat/client/threads.js";
import { hello, info, joinReply, message, messages } from "./support.mjs";

const ROOT = "m1";

function thread(seq, replies) {
  return { number: 1, seq, replies, last_reply_at: null, participants: ["bob"] };
}

/** A reply with this number in the thread of the first message; the channel's flow stands at `flow`. */
function reply(number, flow, changes = {}) {
  return message(number, { thread: ROOT, also_in_channel: false, flow, thread_info: thread(number, number - 1), ...changes });
}

function event(data, name = "message.new") {
  return { event: name, channel: "general", seq: data.changed_seq, data };
}

function entered(newest = [message(1)]) {
  const store = new Store();
  store.hello(hello({ channels: [info()] }));
  const head = { number: newest.length, seq: newest.length };
  store.join(joinReply(newest, { ...head, channel: info(head) }), null);
  return store;
}

test("what a thread alone shows is not unread in the channel, and its root says how many there are", () => {
  const store = entered();
  const channel = store.channel("general");
  channel.read(1);
  store.fold(event(reply(2, 1)), 0);
  store.fold(event(reply(3, 1)), 0);
  assert.equal(channel.unread, 0);
  assert.equal(channel.find(ROOT).thread_info.replies, 2);
  assert.equal(channel.messages[0].thread_info.replies, 2);
  store.fold(event(reply(4, 2, { also_in_channel: true })), 0);
  assert.equal(channel.unread, 1);
  channel.read(4);
  assert.equal(channel.unread, 0);
});

test("what is older says nothing of a thread, and what changed last does", () => {
  const store = entered();
  const channel = store.channel("general");
  store.fold(event(reply(3, 1)), 0);
  store.fold(event(reply(2, 1)), 0);
  assert.equal(channel.find(ROOT).thread_info.seq, 3);
  const gone = reply(3, 1, { changed_seq: 5, text: null, deleted_at: "now", thread_info: thread(5, 1) });
  store.fold(event(gone, "message.deleted"), 0);
  assert.equal(channel.find(ROOT).thread_info.replies, 1);
});

test("one's own reply in a thread moves no marker; in the channel, too, it does", () => {
  const store = entered([message(1), message(2)]);
  const channel = store.channel("general");
  const me = store.me.username;
  channel.read(1);
  store.fold(event(reply(3, 2, { author: me })), 0);
  assert.deepEqual([channel.unread, channel.info.own], [1, 0]);
  store.fold(event(reply(4, 3, { author: me, also_in_channel: true })), 0);
  assert.deepEqual([channel.unread, channel.info.own], [1, 1]);
});

test("a mention in a thread counts though the channel is read, until the server says that the thread is", () => {
  const store = entered();
  const channel = store.channel("general");
  store.fold({ event: "mention", channel: "general", data: { id: "m2", number: 2, author: "bob", text: "@ada", thread: ROOT } }, 0);
  assert.deepEqual([channel.info.mentions, channel.unread], [1, 1]);
  const mark = { read_number: 0, read_flow: 0, own: 0, read_rev: 0, unread: 1, mentions: 0, number: 2 };
  store.fold({ event: "read.updated", channel: "general", data: { ...mark, thread: { id: ROOT, read_number: 2, unread: 0 } } }, 0);
  assert.equal(channel.info.mentions, 0);
});

function chatOf(store, page) {
  const asked = [];
  const root = message(1, { thread_info: thread(3, 2) });
  return {
    store,
    asked,
    session: {
      request: async (op, { data }) => {
        asked.push([op, data]);
        return op === "message.list" ? page(data) : { mentions: 0, read_rev: 0 };
      },
    },
    rest: async (_method, path) => {
      asked.push(path);
      return { channel: "general", root, is_followed: true, read_number: 1, unread: 2 };
    },
  };
}

test("an open thread is kept right by events, answers, and what the channel missed", async () => {
  const store = entered([message(1), reply(2, 1), reply(3, 1)]);
  const chat = chatOf(store, () => ({ messages: [reply(2, 1), reply(3, 1)], has_more: false }));
  const threads = new Threads(chat);
  const found = await threads.open("general", ROOT);
  assert.deepEqual([found.newest, found.isFollowed, found.readNumber], [3, true, 1]);
  threads.hear(event(reply(5, 1)));
  threads.hear(event(reply(4, 1)));
  threads.hear(event(message(6)));
  threads.hear(event(reply(4, 1, { changed_seq: 7, text: "edited" }), "message.updated"));
  threads.hear(event(reply(4, 1), "message.updated"));
  assert.deepEqual(found.messages.map(({ number, text }) => [number, text]).slice(2), [[4, "edited"], [5, "text 5"]]);
  threads.hear(event(message(1, { changed_seq: 8, text: "root" }), "message.updated"));
  assert.equal(found.find(ROOT).text, "root");
  store.channel("general").change({ messages: [reply(9, 1)], seq: 9 });
  store.touch("general");
  assert.equal(found.newest, 9);
  threads.close();
  threads.hear(event(reply(10, 1)));
  assert.equal(found.newest, 9);
});

test("what a line that was lost brings of older replies is taken, whoever says that it changed", async () => {
  const store = entered([message(1), reply(2, 1), reply(3, 1)]);
  const found = await new Threads(chatOf(store, () => ({ messages: [reply(2, 1), reply(3, 1)], has_more: false }))).open("general", ROOT);
  store.channel("general").trim(1);
  store.sync({ channels: { general: { seq: 8, messages: [reply(2, 1, { changed_seq: 7, text: "edited" }), reply(4, 1)] } } });
  assert.deepEqual(found.messages.map(({ number, text }) => [number, text]), [[2, "edited"], [3, "text 3"], [4, "text 4"]]);
});

test("a thread is read anew when the channel was, since nobody told of what came between", async () => {
  const store = entered([message(1), reply(2, 1)]);
  let stored = [reply(2, 1)];
  const chat = chatOf(store, () => ({ messages: stored, has_more: false }));
  const found = await new Threads(chat).open("general", ROOT);
  stored = [reply(2, 1), reply(3, 1), reply(4, 1)];
  const newest = [message(300), reply(301, 298)];
  store.join(joinReply(newest, { number: 301, seq: 301, reset: true, channel: info({ number: 301, seq: 301 }) }), 2);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(found.messages.map(({ number }) => number), [2, 3, 4, 301]);
  assert.equal(chat.asked.filter(([op]) => op === "message.list").length, 2);
});

test("who writes in a thread is not typing in the channel", () => {
  const store = entered();
  const channel = store.channel("general");
  store.fold({ event: "typing", channel: "general", data: { username: "bob", on: true, thread: ROOT } }, 0);
  store.fold({ event: "typing", channel: "general", data: { username: "eve", on: true } }, 0);
  assert.deepEqual([channel.typists(1), channel.typists(1, ROOT)], [["eve"], ["bob"]]);
});

test("older replies come in front, once", async () => {
  const store = entered([message(1)]);
  const chat = chatOf(store, ({ before }) =>
    before ? { messages: [reply(2, 1)], has_more: false } : { messages: [reply(3, 1), reply(4, 1)], has_more: true },
  );
  const threads = new Threads(chat);
  const found = await threads.open("general", ROOT);
  threads.hear(event(reply(2, 1, { changed_seq: 9 }), "message.updated"));
  assert.equal(found.messages.length, 2, "what is older than the window comes with its page");
  await Promise.all([threads.older(found), threads.older(found)]);
  assert.deepEqual(found.messages.map(({ number }) => number), [2, 3, 4]);
  await threads.older(found);
  assert.equal(chat.asked.filter(([op]) => op === "message.list").length, 3);
});

test("pages of messages without threads are as before", () => {
  const store = entered(messages(1, 3));
  assert.deepEqual(store.channel("general").messages, messages(1, 3));
});
