// What the unit tests of the web client stand on: messages by the dozen, a clock that is told the time, a socket
// whose other end is the test.

import { webcrypto } from "node:crypto";

// Browsers have it; Node as a global only from version 19 on, and Debian's may be older.
globalThis.crypto ??= webcrypto;

export function message(number, changes = {}) {
  return {
    id: `m${number}`,
    channel: "general",
    number,
    flow: number,
    seq: number,
    changed_seq: number,
    author: "bob",
    text: `text ${number}`,
    reply_to: null,
    nonce: null,
    reactions: {},
    mentions: [],
    created_at: "2026-01-01T10:00:00.000Z",
    edited_at: null,
    deleted_at: null,
    ...changes,
  };
}

export function messages(first, last) {
  return Array.from({ length: last - first + 1 }, (_, index) => message(first + index));
}

export function info(changes = {}) {
  const { number = 0, read_number = 0 } = changes;
  return {
    key: "general",
    name: "General",
    topic: "",
    kind: "public",
    seq: 0,
    number: 0,
    online: 0,
    role: "member",
    flow: number,
    read_number: 0,
    read_flow: read_number,
    own: 0,
    read_rev: 0,
    unread: 0,
    mentions: 0,
    slow_mode_s: 0,
    frozen_at: null,
    archived_at: null,
    created_at: "2026-01-01T10:00:00.000Z",
    ...changes,
  };
}

export function joinReply(list, changes = {}) {
  const seq = Math.max(0, ...list.map(({ changed_seq }) => changed_seq));
  return {
    channel: info({ seq, number: list.at(-1)?.number ?? 0 }),
    members: [{ username: "ada", status: "online" }],
    member_count: 1,
    members_next: null,
    messages: list,
    seq,
    reset: false,
    ...changes,
  };
}

export const ME = { id: "u1", username: "ada", is_staff: false, created_at: "" };

export function hello(changes = {}) {
  return { session: "s", user: ME, epoch: "e1", limits: {}, channels: [], resume: {}, ...changes };
}

/** Deterministic pseudo-random numbers in [0, 1): the same seed, the same story. */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** Milliseconds that pass when the test says so; due callbacks run in the order of their times. */
export class FakeClock {
  time = 1_000_000;
  #timers = new Map();
  #nextId = 1;

  now = () => this.time;
  set = (callback, ms) => {
    this.#timers.set(this.#nextId, { due: this.time + ms, callback });
    return this.#nextId++;
  };
  clear = (id) => this.#timers.delete(id);

  /** Stand in for the page's own timers; returns what puts those back. */
  install() {
    const { setTimeout, clearTimeout } = globalThis;
    const { now } = Date;
    Object.assign(globalThis, { setTimeout: this.set, clearTimeout: this.clear });
    Date.now = this.now;
    return () => {
      Object.assign(globalThis, { setTimeout, clearTimeout });
      Date.now = now;
    };
  }

  async pass(seconds) {
    const end = this.time + seconds * 1000;
    await settled();
    for (;;) {
      const next = [...this.#timers]
        .filter(([, { due }]) => due <= end)
        .sort((a, b) => a[1].due - b[1].due)[0];
      if (!next) break;
      this.#timers.delete(next[0]);
      this.time = Math.max(this.time, next[1].due);
      next[1].callback();
      await settled();
    }
    this.time = end;
    await settled();
  }
}

/** Let everything that was promised happen. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The client's end of a line. `sent` is what the client said; say() and end() are the server's side. */
export function fakeSockets() {
  const opened = [];
  class FakeSocket {
    readyState = 0;
    sent = [];
    closedWith = null;

    constructor(url, protocols) {
      this.url = url;
      this.protocols = protocols;
      opened.push(this);
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close(code) {
      this.readyState = 3;
      this.closedWith = code;
    }

    accept() {
      this.readyState = 1;
      this.onopen({});
    }

    say(frame) {
      this.onmessage({ data: JSON.stringify(frame) });
    }

    answer(data, op = this.sent.at(-1).op) {
      const { id } = this.sent.findLast((frame) => frame.op === op);
      this.say({ re: id, ok: true, data });
    }

    end(code, reason = "") {
      this.readyState = 3;
      this.onclose({ code, reason });
    }
  }
  return { FakeSocket, opened };
}

/** As much of a page's document as making elements takes. html() says what was made, without classes and the like. */
class Made {
  constructor(tag) {
    this.tag = tag;
    this.attributes = {};
    this.children = [];
    this.handlers = {};
  }

  append(...children) {
    this.children.push(...children);
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  addEventListener(type, handler) {
    this.handlers[type] = handler;
  }

  get all() {
    return [this, ...this.children.flatMap((child) => child.all ?? [])];
  }

  get text() {
    return this.children.map((child) => child.text ?? child).join("");
  }
}

export const fakeDocument = { createElement: (tag) => new Made(tag) };

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const inner = (children) => children.map((child) => (child instanceof Made ? htmlOf(child) : escaped(child))).join("");

/** An element as the examples of docs/formatting.json write it. */
export function htmlOf({ tag, attributes, children, value }) {
  if (tag === "div") return htmlOf(children.at(-1)); // the block around code
  if (tag === "bdi" && !attributes.class?.startsWith("name")) return inner(children);
  const [name, attribute] = {
    a: ["a", ` href="${attributes.href}"`],
    li: ["li", value === undefined ? "" : ` value="${value}"`],
    code: ["code", attributes["data-language"] ? ` class="language-${attributes["data-language"]}"` : ""],
    bdi: ["mark", ""],
  }[tag] ?? [tag, ""];
  return `<${name}${attribute}>${inner(children)}</${name}>`;
}
