/**
 * Outbox: one's own messages until the server has acknowledged them. No DOM.
 *
 * Each message keeps its nonce from the first try to the last, so that sending again stores nothing twice. One
 * message per channel is under way at a time: what was written first is stored first, also over a reconnect.
 */

import { RequestError } from "./errors.js";

const PATIENCE_S = 2;

export class Outbox {
  /** @type {Map<string, import("./types.js").Unsent[]>} */
  #queues = new Map();
  #busy = new Set();
  #life = 0;

  /**
   * @param {object} parts
   * @param {(key: string, message: object) => Promise<any>} parts.send  rejects with RequestError
   * @param {(key: string, unsent: import("./types.js").Unsent, reply: any) => void} parts.onStored
   * @param {(key: string) => void} parts.onChange
   * @param {import("./memory.js").Memory} parts.memory
   * @param {() => string} parts.nonce
   * @param {(ms: number) => Promise<void>} [parts.sleep]
   * @param {() => number} [parts.now]
   */
  constructor({ send, onStored, onChange, memory, nonce, sleep, now = Date.now }) {
    this.send = send;
    this.onStored = onStored;
    this.onChange = onChange;
    this.memory = memory;
    this.nonce = nonce;
    this.sleep = sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    this.now = now;
  }

  /** What is not acknowledged in a channel, oldest first. @param {string} key */
  entries(key) {
    return this.#queues.get(key) ?? [];
  }

  /** Take over what a reload or a restarted browser left of this user. @param {string} username */
  restore(username) {
    const kept = this.memory.get("unsent");
    if (kept?.username !== username) return;
    for (const [key, entries] of kept.channels) {
      const known = new Set(this.entries(key).map(({ nonce }) => nonce));
      const waiting = entries
        .filter(({ nonce }) => !known.has(nonce))
        .map((entry) => ({ ...entry, state: "waiting" }));
      this.#queues.set(key, [...waiting, ...this.entries(key)]);
    }
  }

  /**
   * Write a message; it is sent as soon as that is possible.
   * @param {string} key  @param {string} text  @param {import("./types.js").Beside} [beside]
   */
  add(key, text, beside) {
    const created = new Date(this.now()).toISOString();
    this.#set(key, [
      ...this.entries(key),
      { nonce: this.nonce(), text, ...beside, created_at: created, state: "waiting" },
    ]);
    this.#work(key);
  }

  /** There is a session again: send what waits. */
  resume() {
    for (const key of this.#queues.keys()) this.#work(key);
  }

  /** Try a failed message again. @param {boolean} [confirm]  it may tell very many */
  retry(key, nonce, confirm) {
    this.#update(key, nonce, { state: "waiting", problem: undefined, confirm });
    this.#work(key);
  }

  /** The message is stored, whoever said so; or it is not wanted any more. */
  remove(key, nonce) {
    const left = this.entries(key).filter((entry) => entry.nonce !== nonce);
    if (left.length !== this.entries(key).length) this.#set(key, left);
  }

  /** Forget everything (log-out). */
  clear() {
    this.#life += 1;
    this.#queues.clear();
    this.#busy.clear();
    this.memory.remove("unsent");
  }

  /** Set who writes: unsent messages are remembered under this name. @param {string} username */
  set username(username) {
    this.owner = username;
  }

  async #work(key) {
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    const life = this.#life;
    let entry;
    while ((entry = this.entries(key).find(({ state }) => state === "waiting"))) {
      this.#update(key, entry.nonce, { state: "sending" });
      const goesOn = await this.#sendOne(key, entry);
      if (life !== this.#life) return;
      if (!goesOn) break;
    }
    this.#busy.delete(key);
  }

  /** Returns whether the next message may be tried. */
  async #sendOne(key, entry) {
    const life = this.#life;
    try {
      const { text, nonce, files, thread, also_in_channel, confirm } = entry;
      const ids = files?.map(({ id }) => id);
      const reply = await this.send(key, { text, nonce, files: ids, thread, also_in_channel, confirm });
      if (life !== this.#life) return false;
      this.onStored(key, entry, reply);
      this.remove(key, entry.nonce);
      return true;
    } catch (error) {
      if (life !== this.#life) return false;
      if (error.isConnection && error.code !== "timeout") {
        this.#update(key, entry.nonce, { state: "waiting" });
        return false;
      }
      if (error.isPatience || error.code === "timeout") {
        await this.sleep((error.retryAfterS ?? PATIENCE_S) * 1000);
        if (life === this.#life) this.#update(key, entry.nonce, { state: "waiting" });
        return true;
      }
      const problem = error instanceof RequestError ? error : new RequestError("internal");
      this.#update(key, entry.nonce, { state: "failed", problem: problem.asData() });
      return true;
    }
  }

  #update(key, nonce, changes) {
    this.#set(
      key,
      this.entries(key).map((entry) => (entry.nonce === nonce ? { ...entry, ...changes } : entry)),
    );
  }

  #set(key, entries) {
    if (entries.length > 0) this.#queues.set(key, entries);
    else this.#queues.delete(key);
    const channels = [...this.#queues].filter(([, list]) => list.length > 0);
    if (channels.length > 0) this.memory.set("unsent", { username: this.owner, channels });
    else this.memory.remove("unsent");
    this.onChange(key);
  }
}

/** A random name for one sending: 96 bits. (crypto.randomUUID exists on https and localhost only.) */
export function randomNonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
