// Session: hello first, answers matched to questions, and coming back exactly as the close codes say.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RequestError } from "../../../chat/static/chat/client/errors.js";
import { Session } from "../../../chat/static/chat/client/session.js";
import { planReturn } from "../../../chat/static/chat/client/reconnect.js";
import { FakeClock, fakeSockets, settled } from "./support.mjs";

function lineUp({ getToken, random = () => 0.5 } = {}) {
  const { FakeSocket, opened } = fakeSockets();
  const clock = new FakeClock();
  const seen = { states: [], hellos: [], events: [], refused: [] };
  const cursors = {};
  const session = new Session({
    url: "ws://test/ws/v1",
    getToken: getToken ?? (async (refusing) => (seen.refused.push(refusing), `token${seen.refused.length}`)),
    getResume: () => cursors,
    onHello: (hello) => seen.hellos.push(hello),
    onEvent: (event) => seen.events.push(event),
    onState: (state) => seen.states.push(state),
    WebSocketClass: FakeSocket,
    random,
    clock,
  });
  return { session, opened, clock, seen, cursors };
}

async function live(parts = {}) {
  const line = lineUp(parts);
  line.session.start();
  await settled();
  line.opened[0].accept();
  line.opened[0].answer({ session: "s1" }, "hello");
  await settled();
  return line;
}

test("the first frame is a hello with the token; the session is live when it is answered", async () => {
  const { session, opened, seen } = await live();
  assert.deepEqual(opened[0].protocols, ["reaktor.v1"]);
  assert.equal(opened[0].sent[0].op, "hello");
  assert.deepEqual(opened[0].sent[0].data, { token: "token1" });
  assert.equal(session.isLive, true);
  assert.deepEqual(seen.hellos, [{ session: "s1" }]);
});

test("replies go to whom they belong, whatever their order; errors carry code and patience", async () => {
  const { session, opened } = await live();
  const first = session.request("channel.join", { channel: "general", data: {} });
  const second = session.request("typing", { channel: "general", data: { on: true } });
  const [, one, two] = opened[0].sent;
  opened[0].say({
    re: two.id,
    ok: false,
    error: { code: "rate_limited", message: "Slow.", retry_after: 1.5 },
  });
  opened[0].say({ re: one.id, ok: true, data: { seq: 4 } });
  assert.deepEqual(await first, { seq: 4 });
  await assert.rejects(second, (error) => error.code === "rate_limited" && error.retryAfterS === 1.5);
});

test("pings are answered, and frames that mean nothing are passed over", async () => {
  const { opened, seen } = await live();
  opened[0].say({ event: "ping" });
  assert.deepEqual(opened[0].sent.at(-1), { op: "pong" });
  opened[0].onmessage({ data: "not json" });
  opened[0].say(null);
  opened[0].say({ re: 999, ok: true });
  opened[0].say({ re: null, ok: false, error: { code: "invalid" } });
  opened[0].say({ event: "typing", channel: "general", data: {} });
  assert.equal(seen.events.length, 1);
});

test("a broken line comes back with its cursors, and what was asked on it is rejected", async () => {
  const { session, opened, clock, seen, cursors } = await live();
  const asked = session.request("channel.list", { data: {} });
  cursors.general = 41;
  opened[0].end(1006);
  await assert.rejects(asked, (error) => error.code === "disconnected" && error.isConnection);
  assert.equal(session.state.name, "waiting");
  assert.equal(session.state.retryAt, clock.now() + 250);
  await clock.pass(1);
  opened[1].accept();
  assert.deepEqual(opened[1].sent[0].data, { token: "token2", resume: { general: 41 } });
  opened[1].answer({ session: "s2" }, "hello");
  await settled();
  assert.equal(seen.hellos.length, 2);
});

test("the server's retry_after is respected, with jitter on top", async () => {
  const { session, opened, clock } = await live();
  opened[0].say({ event: "bye", data: { code: 4001, reason: "restarting", retry_after: 3 } });
  opened[0].end(4001);
  assert.equal(session.state.retryAt, clock.now() + 3_250);
  await clock.pass(3);
  assert.equal(opened.length, 1);
  await clock.pass(1);
  assert.equal(opened.length, 2);
});

test("codes from 4500 on are final, where the login is not in doubt", async () => {
  for (const code of [4501, 4504, 4505, 4506]) {
    const { session, opened, clock } = await live();
    opened[0].say({ event: "bye", data: { code, reason: "no" } });
    opened[0].end(code);
    await clock.pass(600);
    assert.deepEqual(session.state, { name: "ended", code, reason: "no" });
    assert.equal(opened.length, 1);
  }
});

// A device whose clock was two hours behind held a token for good that had ended; refused, it forgot its login.
test("a refused token is replaced before the login is given up, once", async () => {
  for (const code of [4500, 4502, 4503]) {
    const { session, opened, clock, seen } = await live();
    opened[0].end(code);
    await settled();
    assert.deepEqual(seen.refused, [null, "token1"]);
    opened[1].accept();
    assert.equal(opened[1].sent[0].data.token, "token2");
    opened[1].say({ event: "bye", data: { code, reason: "no" } });
    opened[1].end(code);
    await clock.pass(600);
    assert.deepEqual(session.state, { name: "ended", code, reason: "no" });
    assert.equal(opened.length, 2);
  }
});

test("where there is no other token, the session ends with what it was told", async () => {
  const getToken = async (refusing) => {
    if (refusing) throw new RequestError("not_authenticated");
    return "token1";
  };
  const { session, opened } = await live({ getToken });
  opened[0].say({ event: "bye", data: { code: 4503, reason: "logged out" } });
  opened[0].end(4503);
  await settled();
  assert.deepEqual(session.state, { name: "ended", code: 4503, reason: "logged out" });
});

// Only "This account is banned." stood on the log-in page: neither why nor for how long.
test("a ban ends the session with its terms, from whatever tells them", async () => {
  const until = "2026-12-01T10:00:00.000Z";
  const banned = RequestError.from({ code: "banned", until, reason: "spam", is_everywhere: true });
  const refusing = { refresh: banned, bye: new RequestError("not_authenticated") };
  for (const [how, error] of Object.entries(refusing)) {
    const getToken = async (refused) => {
      if (refused) throw error;
      return "token1";
    };
    const { session, opened } = await live({ getToken });
    opened[0].say({ event: "bye", data: { code: 4502, reason: "spam", ...(how === "bye" ? { until } : {}) } });
    opened[0].end(4502);
    await settled();
    assert.equal(session.state.code, 4502);
    assert.deepEqual(session.state.refusal.terms, { until, reason: "spam", isEverywhere: true }, how);
  }
});

test("a login in doubt outlives a server that is away, and a good hello ends the doubt", async () => {
  const answers = ["token1", new RequestError("offline"), "token2", "token3"];
  const getToken = async () => {
    const answer = answers.shift();
    if (answer instanceof RequestError) throw answer;
    return answer;
  };
  const { session, opened, clock } = await live({ getToken });
  opened[0].end(4500);
  await settled();
  assert.equal(session.state.name, "waiting");
  await clock.pass(2);
  opened[1].accept();
  opened[1].answer({ session: "s2" }, "hello");
  await clock.pass(11);
  opened[1].end(4500);
  await settled();
  opened[2].accept();
  assert.equal(opened[2].sent[0].data.token, "token3");
});

test("an expired token is replaced before coming back", async () => {
  const { opened, clock, seen } = await live();
  opened[0].end(4005);
  await clock.pass(2);
  assert.deepEqual(seen.refused, [null, "token1"]);
  opened[1].accept();
  assert.equal(opened[1].sent[0].data.token, "token2");
});

test("a token about to expire is replaced on the line itself", async () => {
  const { session, opened, seen } = await live();
  opened[0].say({ event: "auth.expiring", data: {} });
  await settled();
  assert.deepEqual(seen.refused, [null, "token1"]);
  assert.deepEqual(opened[0].sent.at(-1).data, { token: "token2" });
  assert.equal(opened[0].sent.at(-1).op, "auth.refresh");
  opened[0].answer({}, "auth.refresh");
  await settled();
  assert.equal(session.isLive, true);
});

test("without any login there is nothing to come back with; without a network there is", async () => {
  const refused = lineUp({ getToken: () => Promise.reject(new RequestError("not_authenticated")) });
  refused.session.start();
  await settled();
  assert.equal(refused.session.state.name, "ended");
  const offline = lineUp({ getToken: () => Promise.reject(new RequestError("offline")) });
  offline.session.start();
  await settled();
  assert.equal(offline.session.state.name, "waiting");
});

test("failures in a row wait longer, up to half a minute, and success forgets them", async () => {
  const { session, opened, clock } = await live({ random: () => 1 });
  await clock.pass(11);
  const waits = [];
  for (let attempt = 0; attempt < 9; attempt += 1) {
    opened.at(-1).end(1006);
    waits.push((session.state.retryAt - clock.now()) / 1000);
    await clock.pass(waits.at(-1));
  }
  assert.deepEqual(waits, [0.5, 1, 2, 4, 8, 16, 30, 30, 30]);
  opened.at(-1).accept();
  opened.at(-1).answer({}, "hello");
  await clock.pass(11);
  opened.at(-1).end(1006);
  assert.equal(session.state.retryAt - clock.now(), 500);
});

test("a line that is silent for longer than the server's heartbeat allows is given up", async () => {
  const { session, opened, clock } = await live();
  await clock.pass(40);
  opened[0].say({ event: "ping" });
  await clock.pass(40);
  assert.equal(session.isLive, true);
  await clock.pass(11);
  assert.equal(session.isLive, false);
  assert.equal(opened[0].closedWith, 1000);
});

test("a question without an answer on a silent line gives the line up; on a lively one it only times out", async () => {
  const silent = await live();
  const asked = silent.session.request("channel.list");
  silent.clock.pass(10.1);
  await assert.rejects(asked, (error) => error.code === "timeout");
  await settled();
  assert.equal(silent.session.isLive, false);

  const lively = await live();
  const slow = lively.session.request("channel.list");
  await lively.clock.pass(5);
  lively.opened[0].say({ event: "ping" });
  lively.clock.pass(5.1);
  await assert.rejects(slow, (error) => error.code === "timeout");
  assert.equal(lively.session.isLive, true);
});

test("a socket that was given up is not listened to any more", async () => {
  const { session, opened, clock, seen } = await live();
  session.stop();
  session.start();
  await clock.pass(0);
  opened[0].say({ event: "typing", data: {} });
  opened[0].end(4503);
  assert.equal(seen.events.length, 0);
  assert.equal(session.state.name, "connecting");
});

test("a hello that nobody answers is given up after ten seconds", async () => {
  const { session, opened, clock } = lineUp();
  session.start();
  await settled();
  opened[0].accept();
  await clock.pass(10);
  assert.notEqual(session.state.name, "connecting");
  await clock.pass(30);
  assert.ok(opened.length >= 2);
});

test("stop says goodbye and stays away", async () => {
  const { session, opened, clock } = await live();
  session.stop();
  await clock.pass(100);
  assert.equal(opened[0].closedWith, 1000);
  assert.equal(opened.length, 1);
  assert.equal(session.state.name, "idle");
});

test("law: the time to come back is never before retry_after, never more than half a minute after it", () => {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    for (const random of [() => 0, () => 0.5, () => 0.999]) {
      for (const retryAfterS of [undefined, 0, 3.2, 60]) {
        const plan = planReturn({ code: 4001, attempt, retryAfterS, random });
        assert.ok(
          plan.comesBack && plan.delayS >= (retryAfterS ?? 0) && plan.delayS <= (retryAfterS ?? 0) + 30,
        );
      }
    }
  }
});
