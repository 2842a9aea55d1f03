// Chat: what a person does, over a line whose other end is the test. The paths that a healthy server seldom shows.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Chat } from "../../../chat/static/chat/client/chat.js";
import { Memory } from "../../../chat/static/chat/client/memory.js";
import { FakeClock, ME, fakeSockets, hello, info, joinReply, message, messages, settled } from "./support.mjs";

async function live() {
  const { FakeSocket, opened } = fakeSockets();
  globalThis.WebSocket = FakeSocket;
  const clock = new FakeClock();
  uninstall = clock.install();
  const credentials = { access: async () => "token" };
  const chat = new Chat({ url: "ws://test", credentials, shared: new Memory(null), own: new Memory(null) });
  const line = {
    chat,
    clock,
    get socket() {
      return opened.at(-1);
    },
  };
  line.greet = async (changes) => {
    await settled();
    line.socket.accept();
    line.socket.answer(hello({ channels: [info()], ...changes }), "hello");
    await settled();
  };
  line.asked = (op) => line.socket.sent.filter((frame) => frame.op === op);
  line.refuse = async (op, error) => {
    line.socket.say({ re: line.asked(op).at(-1).id, ok: false, error });
    await settled();
  };
  line.grant = async (op, data) => {
    line.socket.answer(data, op);
    await settled();
  };
  // Time that passes on a healthy line: the server answers and pings.
  line.idle = async (seconds) => {
    for (const op of ["typing", "status"]) if (line.asked(op).length > 0) line.socket.answer({}, op);
    for (let left = seconds; left > 0; left -= 25) {
      await line.clock.pass(Math.min(25, left));
      line.socket.say({ event: "ping" });
    }
  };
  chat.start(ME);
  await line.greet();
  return line;
}

async function inGeneral(changes = {}, list = messages(1, 3)) {
  const line = await live();
  const entered = line.chat.enter("general");
  await line.grant("channel.join", joinReply(list, changes));
  await entered;
  return line;
}

let uninstall = () => {};
afterEach(() => uninstall());

test("after a reset the channel is joined anew, without the cursor that was too old", async () => {
  const line = await inGeneral();
  line.socket.end(1006);
  await line.clock.pass(1);
  await line.greet({ resume: { general: { reset: true, seq: 900 } } });
  assert.deepEqual(line.socket.sent[0].data.resume, { general: 3 });
  assert.deepEqual(line.asked("channel.join")[0].data, {});
  await line.grant("channel.join", joinReply(messages(876, 900)));
  assert.equal(line.chat.store.channel("general").oldest, 876);
});

test("after a plain reconnect the shown channel asks only for what is newer, and learns who is there", async () => {
  const line = await inGeneral();
  line.chat.active = "general";
  line.socket.end(1006);
  await line.clock.pass(1);
  await line.greet({ resume: { general: { messages: [message(4)], seq: 4 } } });
  assert.deepEqual(line.asked("channel.join")[0].data, { after: 4 });
  await line.grant("channel.join", joinReply([], { seq: 4, members: [{ username: "eve", status: "away" }] }));
  const channel = line.chat.store.channel("general");
  assert.deepEqual([...channel.members.keys()], ["eve"]);
  assert.equal(channel.newest, 4);
  assert.equal(channel.isStale, false);
});

test("more members are asked for by the cursor of the last answer, and a newer list is left alone", async () => {
  const line = await inGeneral({ member_count: 3, members_next: "0_ada" });
  const first = line.chat.loadMembers("general");
  await settled();
  assert.deepEqual(line.asked("channel.members")[0].data, { cursor: "0_ada" });
  await line.grant("channel.members", { results: [{ username: "bob", status: "away" }], next: "1_bob" });
  await first;
  const channel = line.chat.store.channel("general");
  assert.deepEqual([...channel.members.keys()], ["ada", "bob"]);
  const late = line.chat.loadMembers("general");
  await settled();
  channel.join(joinReply([]), 3);
  await line.grant("channel.members", { results: [{ username: "eve", status: "away" }], next: null });
  await late;
  assert.deepEqual([...channel.members.keys()], ["ada"]);
  await line.chat.loadMembers("general"); // all are known: nothing is asked
  assert.equal(line.asked("channel.members").length, 2);
});

test("an acknowledgement lost with the line is found again in what the server tells", async () => {
  const line = await inGeneral();
  line.chat.send("general", "hi");
  await settled();
  const { nonce } = line.asked("message.send")[0].data;
  line.socket.end(1006);
  await line.clock.pass(1);
  const stored = message(4, { author: "ada", text: "hi", nonce });
  await line.greet({ resume: { general: { messages: [stored], seq: 4 } } });
  assert.deepEqual(line.chat.outbox.entries("general"), []);
  assert.deepEqual(line.asked("message.send"), []);
  assert.equal(line.chat.store.channel("general").newest, 4);
});

test("a message that was stored before is not shown a second time", async () => {
  const line = await inGeneral();
  line.chat.send("general", "hi");
  await settled();
  await line.grant("message.send", { id: "m2", number: 2, seq: 2, created_at: "", duplicate: true });
  assert.deepEqual(line.chat.outbox.entries("general"), []);
  assert.equal(line.chat.store.channel("general").messages.length, 3);
});

test("a message that would tell very many waits for a word, and is then sent as meant, under its own nonce", async () => {
  const line = await inGeneral();
  line.chat.send("general", "@channel");
  await settled();
  await line.refuse("message.send", { code: "confirmation_required", message: "That tells 300 people.", told: 300 });
  const [unsent] = line.chat.outbox.entries("general");
  assert.deepEqual([unsent.state, unsent.problem.code], ["failed", "confirmation_required"]);
  line.chat.outbox.retry("general", unsent.nonce, true);
  await settled();
  const [first, second] = line.asked("message.send").map(({ data }) => data);
  assert.deepEqual(second, { ...first, confirm: true });
});

test("pages hear of pins, and the channel's window and cursor stay as they are", async () => {
  const line = await inGeneral();
  const heard = [];
  line.chat.onNews((news) => heard.push(news));
  const { cursor, newest } = line.chat.store.channel("general");
  const data = { id: "m900", number: 900, is_pinned: true, by: "bob" };
  line.socket.say({ event: "pin.changed", channel: "general", data });
  assert.deepEqual(heard, [{ kind: "pin", key: "general", data }]);
  assert.deepEqual([cursor, newest], [line.chat.store.channel("general").cursor, line.chat.store.channel("general").newest]);
});

test("whoever turns out not to be in the channel enters it and sends again", async () => {
  const line = await inGeneral();
  line.chat.send("general", "hi");
  await settled();
  await line.refuse("message.send", { code: "not_a_member", message: "Join first." });
  await line.grant("channel.join", joinReply(messages(1, 3)));
  assert.equal(line.asked("message.send").length, 2);
  assert.equal(line.asked("message.send")[0].data.nonce, line.asked("message.send")[1].data.nonce);
  await line.grant("message.send", { id: "m4", number: 4, seq: 4, created_at: "2026-01-01T10:00:00.000Z" });
  assert.equal(line.chat.store.channel("general").find("m4").text, "hi");
});

test("a join that the server can't do now is tried again; one that it refuses is a problem to show", async () => {
  const line = await live();
  const first = line.chat.enter("general");
  first.catch(() => {});
  await line.refuse("channel.join", { code: "unavailable", message: "", retry_after: 1 });
  await assert.rejects(first, (error) => error.code === "unavailable");
  assert.equal(line.chat.problems.size, 0);
  await line.clock.pass(1);
  await line.refuse("channel.join", { code: "not_found", message: "There is no such channel." });
  assert.equal(line.asked("channel.join").length, 2);
  assert.equal(line.chat.problems.get("general").code, "not_found");
});

test("when the server says that something was missed, it is asked for", async () => {
  const line = await inGeneral();
  line.socket.say({ event: "sync.required", channel: "general", data: {} });
  await settled();
  assert.deepEqual(line.asked("sync")[0].data, { channels: { general: 3 } });
  await line.grant("sync", { channels: { general: { messages: [message(4), message(5)], seq: 7 } } });
  assert.equal(line.chat.store.channel("general").cursor, 7);
});

test("a page of history that answers after a reset is not mixed into the new window", async () => {
  const line = await inGeneral({}, messages(51, 75));
  const page = line.chat.loadOlder("general");
  line.chat.store.channel("general").reset();
  await line.grant("message.list", { messages: messages(1, 50), has_more: false });
  await page;
  assert.deepEqual(line.chat.store.channel("general").messages, []);
});

test("typing is said at most every three seconds, and once more after a message if it goes on", async () => {
  const line = await inGeneral();
  const said = () => line.asked("typing").map(({ data }) => data.on);
  line.chat.signs.typing("general", true);
  line.chat.signs.typing("general", true);
  line.chat.signs.typing("general", false);
  line.chat.signs.typing("general", false);
  assert.deepEqual(said(), [true, false]);
  line.chat.signs.typing("general", true);
  line.chat.signs.sent("general");
  line.chat.signs.typing("general", true);
  assert.deepEqual(said(), [true, false, true]);
  await line.idle(4);
  assert.deepEqual(said(), [true, false, true, true]);
  line.chat.signs.sent("general");
  await line.idle(9);
  assert.equal(said().length, 4);
});

test("typing in a thread is said of the thread, beside that in the channel", async () => {
  const line = await inGeneral();
  const said = () => line.asked("typing").map(({ data }) => data);
  line.chat.signs.typing("general", true, "m1");
  line.chat.signs.typing("general", true);
  assert.deepEqual(said(), [{ on: true, thread: "m1" }, { on: true }]);
  line.chat.send("general", "answered", { thread: "m1" });
  line.chat.signs.typing("general", false, "m1");
  line.chat.signs.typing("general", false);
  assert.deepEqual(said().slice(2), [{ on: false }]);
});

test("what is read is said a little later, and once", async () => {
  const line = await inGeneral();
  line.chat.signs.read("general");
  line.chat.signs.read("general");
  await line.clock.pass(1);
  assert.deepEqual(
    line.asked("read").map(({ data }) => data.number),
    [3],
  );
  assert.equal(line.chat.store.channel("general").unread, 0);
});

test("a page that is out of sight for five minutes is away, and online again when it is seen", async () => {
  const line = await live();
  line.chat.signs.hidden(true);
  await line.idle(299);
  assert.equal(line.asked("status").length, 0);
  await line.idle(2);
  line.chat.signs.hidden(false);
  assert.deepEqual(
    line.asked("status").map(({ data }) => data.status),
    ["away", "online"],
  );
});

test("who chose to be away stays away, in sight or not, and over a reconnect", async () => {
  const line = await live();
  line.chat.signs.choose("away");
  line.chat.signs.hidden(true);
  line.chat.signs.hidden(false);
  assert.deepEqual(
    line.asked("status").map(({ data }) => data.status),
    ["away"],
  );
  line.socket.end(1006);
  await line.clock.pass(1);
  await line.greet();
  assert.deepEqual(
    line.asked("status").map(({ data }) => data.status),
    ["away"],
  );
});

test("a probe that is not answered gives the line up", async () => {
  const line = await inGeneral();
  const probe = line.chat.probe();
  assert.deepEqual(line.asked("sync")[0].data, { channels: { general: 3 } });
  await line.clock.pass(4);
  await probe;
  assert.equal(line.chat.session.state.name, "waiting");
});

test("log-out leaves nothing of the user in the page", async () => {
  const line = await inGeneral();
  line.chat.stop();
  assert.equal(line.socket.closedWith, 1000);
  assert.equal(line.chat.store.channels.size, 0);
  assert.equal(line.chat.store.me, null);
  assert.deepEqual(line.chat.places.entered(), []);
});
