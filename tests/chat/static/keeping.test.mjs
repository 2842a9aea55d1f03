// What must not get lost: unsent messages (Outbox), the login (Credentials), what a browser remembers (Memory, Places).

import assert from "node:assert/strict";
import { test } from "node:test";

import { Api } from "../../../chat/static/chat/client/api.js";
import { Credentials } from "../../../chat/static/chat/client/credentials.js";
import { RequestError } from "../../../chat/static/chat/client/errors.js";
import { explain } from "../../../chat/static/chat/explain.js";
import { timeOf } from "../../../chat/static/chat/times.js";
import { load } from "../../../chat/static/chat/words.js";
import { Memory } from "../../../chat/static/chat/client/memory.js";
import { Outbox } from "../../../chat/static/chat/client/outbox.js";
import { Places } from "../../../chat/static/chat/client/places.js";
import { info, settled } from "./support.mjs";

await Promise.all([load(), load("errors")]);

function outbox({ memory = new Memory(null), results = [] } = {}) {
  const sent = [];
  const stored = [];
  let count = 0;
  const box = new Outbox({
    send: async (key, message) => {
      sent.push({ key, ...message });
      const result = results.shift() ?? { id: `m${sent.length}` };
      if (result instanceof Error) throw result;
      return result;
    },
    onStored: (key, unsent) => stored.push(unsent.text),
    onChange: () => {},
    memory,
    nonce: () => `n${++count}`,
    sleep: async () => {},
  });
  box.username = "ada";
  return { box, sent, stored };
}

const texts = (list) => list.map(({ text }) => text);

test("messages go out one after the other, and are forgotten when they are acknowledged", async () => {
  const { box, sent, stored } = outbox();
  box.add("general", "one");
  box.add("general", "two");
  assert.equal(box.entries("general").length, 2);
  await settled();
  assert.deepEqual(texts(sent), ["one", "two"]);
  assert.deepEqual(stored, ["one", "two"]);
  assert.deepEqual(box.entries("general"), []);
});

test("without a connection messages wait, and go out later in order with the nonces they had", async () => {
  const { box, sent } = outbox({ results: [new RequestError("disconnected")] });
  box.add("general", "one");
  box.add("general", "two");
  await settled();
  assert.deepEqual(texts(sent), ["one"]);
  assert.deepEqual(
    box.entries("general").map(({ state }) => state),
    ["waiting", "waiting"],
  );
  box.resume();
  await settled();
  assert.deepEqual(
    sent.map(({ nonce, text }) => [nonce, text]),
    [
      ["n1", "one"],
      ["n1", "one"],
      ["n2", "two"],
    ],
  );
});

test("when the server asks for patience, the same message is sent again, before the next", async () => {
  const { box, sent } = outbox({
    results: [new RequestError("rate_limited", { retryAfterS: 1 }), new RequestError("timeout")],
  });
  box.add("general", "one");
  box.add("general", "two");
  await settled();
  assert.deepEqual(texts(sent), ["one", "one", "one", "two"]);
});

test("a message that can't be stored says why, waits for its author, and holds nothing up", async () => {
  const { box, stored } = outbox({
    results: [new RequestError("muted", { message: "You are muted here." })],
  });
  box.add("general", "one");
  box.add("general", "two");
  await settled();
  assert.deepEqual(stored, ["two"]);
  const [failed] = box.entries("general");
  assert.equal(failed.state, "failed");
  assert.equal(failed.problem.code, "muted");
  assert.equal(explain(new RequestError("muted", failed.problem)), "You are muted here.");
  box.retry("general", failed.nonce);
  await settled();
  assert.deepEqual(stored, ["two", "one"]);
});

test("unsent messages outlive a reload, for their author only", async () => {
  const memory = new Memory(null);
  const before = outbox({ memory, results: [new RequestError("offline")] });
  before.box.add("general", "one");
  await settled();
  const stranger = outbox({ memory });
  stranger.box.restore("bob");
  assert.deepEqual(stranger.box.entries("general"), []);
  const after = outbox({ memory });
  after.box.restore("ada");
  after.box.resume();
  await settled();
  assert.deepEqual(
    after.sent.map(({ nonce }) => nonce),
    ["n1"],
  );
  assert.equal(memory.get("unsent"), null);
});

test("after a log-out an answer that comes late changes nothing", async () => {
  let answer;
  const { box, stored } = outbox();
  box.send = () => new Promise((resolve) => (answer = resolve));
  box.add("general", "one");
  box.clear();
  answer({ id: "m1" });
  await settled();
  assert.deepEqual(stored, []);
});

function credentials({ refresh, login, now = () => 0, locks } = {}) {
  const memory = new Memory(null);
  const asked = [];
  const api = {
    refresh: async (token) => {
      asked.push(token);
      return refresh ? refresh(token, memory) : grant(asked.length + 1);
    },
  };
  const kept = new Credentials({ api, memory, now, locks, sleep: async () => {} });
  if (login !== null)
    memory.set("login", {
      user: { username: "ada" },
      access: "a1",
      refresh: "r1",
      deadline: 900_000,
      ...login,
    });
  return { kept, asked, memory };
}

const grant = (n) => ({ access: `a${n}`, refresh: `r${n}`, lifeS: 900 });

test("a token that is still good is used; one about to expire, or refused, is replaced", async () => {
  const good = credentials();
  assert.equal(await good.kept.access(), "a1");
  const old = credentials({ login: { deadline: 60_000 } });
  assert.equal(await old.kept.access(), "a2");
  assert.equal(old.kept.login.user.username, "ada");
  assert.equal(await good.kept.access("a1"), "a2");
});

test("when another tab was faster, its token is used and the login stays", async () => {
  const { kept } = credentials({
    refresh: (token, memory) => {
      memory.set("login", { user: { username: "ada" }, access: "a9", refresh: "r9", deadline: 900_000 });
      throw new RequestError("not_authenticated");
    },
  });
  assert.equal(await kept.access("a1"), "a9");
});

test("a dead refresh token is forgotten; a server that is away is not the login's fault", async () => {
  const dead = credentials({ refresh: () => Promise.reject(new RequestError("not_authenticated")) });
  await assert.rejects(dead.kept.access("a1"), (error) => error.code === "not_authenticated");
  const banned = credentials({ refresh: () => Promise.reject(new RequestError("banned", { message: "spam" })) });
  await assert.rejects(banned.kept.access("a1"), (error) => error.code === "banned" && error.message === "spam");
  assert.equal(dead.kept.login, null);
  const away = credentials({ refresh: () => Promise.reject(new RequestError("unavailable")) });
  await assert.rejects(away.kept.access("a1"), (error) => error.code === "unavailable");
  assert.notEqual(away.kept.login, null);
});

// The café's own page answered 401 in place of the server, and the login was gone.
test("only the server's own refusal ends a login, not a stranger's 401 on the way", async () => {
  for (const [body, ended] of [
    ["<html>Log in to the café</html>", false],
    [JSON.stringify({ error: { code: "not_authenticated", message: "Used." } }), true],
  ]) {
    const { kept } = credentials();
    kept.api = new Api({ fetch: async () => new Response(body, { status: 401 }) });
    await assert.rejects(kept.access("a1"));
    assert.equal(kept.login === null, ended);
  }
});

test("two who need a new token at the same time make one request for it", async () => {
  let queue = Promise.resolve();
  const locks = { request: (_, work) => (queue = queue.then(work)) };
  const { kept, asked } = credentials({ locks });
  assert.deepEqual(await Promise.all([kept.access("a1"), kept.access("a1")]), ["a2", "a2"]);
  assert.equal(asked.length, 1);
});

test("where storage is forbidden, things are remembered until the page goes", () => {
  const memory = Memory.from(() => {
    throw new Error("forbidden");
  });
  memory.set("x", { y: 1 });
  assert.deepEqual(memory.get("x"), { y: 1 });
  memory.remove("x");
  assert.equal(memory.get("x", "nothing"), "nothing");
});

test("visited unlisted channels are remembered with how far they were read; listed ones need not be", () => {
  const places = new Places({ shared: new Memory(null), own: new Memory(null) });
  places.username = "ada";
  places.enter(info());
  places.enter(info({ key: "k1", name: "Quiet", kind: "unlisted", role: null, read_number: 4 }));
  assert.deepEqual(places.entered(), ["general", "k1"]);
  assert.deepEqual(places.visited(), [{ key: "k1", name: "Quiet", read: 4 }]);
  places.read(info({ key: "k1", name: "Quiet", kind: "unlisted", role: null, read_number: 6 }));
  assert.equal(places.readMark("k1"), 6);
  places.leave("k1");
  assert.deepEqual(places.visited(), []);
  assert.deepEqual(places.entered(), ["general"]);
});

test("what is written and not sent is kept for each place, for its writer, until it is sent or they log out", () => {
  const own = new Memory(null);
  const places = Object.assign(new Places({ shared: new Memory(null), own }), { username: "ada" });
  places.keepDraft("general", "half a th");
  places.keepDraft("m1", "a reply");
  assert.equal(Object.assign(new Places({ shared: new Memory(null), own }), { username: "bob" }).draft("general"), "");
  assert.deepEqual([places.draft("general"), places.draft("m1"), places.draft("k1")], ["half a th", "a reply", ""]);
  places.keepDraft("m1", " ");
  assert.deepEqual([places.draft("general"), places.draft("m1")], ["half a th", ""]);
  for (let number = 0; number < 60; number += 1) places.keepDraft(`k${number}`, "x");
  assert.deepEqual([places.draft("general"), places.draft("k59")], ["", "x"], "the oldest go");
  places.clear();
  assert.equal(places.draft("k59"), "");
});

// The server's sentence had the end in UTC, two hours away from the reader's clock.
test("a mute and a ban are told with their end by the reader's clock, and why", () => {
  const until = new Date(Date.now() + 1000);
  const refused = (code, terms) => explain(RequestError.from({ code, message: "until 10:00 UTC", ...terms }));
  const terms = { until: until.toISOString(), reason: "too loud", is_everywhere: false };
  assert.equal(refused("muted", terms), `You are muted here until ${timeOf(until)}: too loud`);
  assert.equal(
    refused("banned", { until: null, reason: "spam", is_everywhere: true }),
    "This account is banned for good: spam",
  );
  assert.equal(
    refused("banned", { until: null, reason: "", is_everywhere: false }),
    "You are banned from this channel for good.",
  );
  assert.equal(refused("banned", {}), "until 10:00 UTC");
});

test("every error is said in a sentence, with the seconds to wait where there are some", () => {
  assert.equal(
    explain(new RequestError("rate_limited", { retryAfterS: 2.4 })),
    "That was a lot at once. Try again in 3 seconds.",
  );
  assert.equal(explain(new RequestError("unheard_of")), "That did not work.");
  assert.match(explain(new TypeError("x")), /^Something went wrong/);
  assert.equal(explain(RequestError.from(undefined, 500)), "Something went wrong on the server.");
});
