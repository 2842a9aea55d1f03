/**
 * Signs: the small things a person's presence gives off - typing, reading, online or away. Never stored by this
 * page, never waited for: one that gets lost is followed by the next.
 */

const TYPING_EVERY_MS = 3_000;
const READ_EVERY_MS = 400;
const HIDDEN_IS_AWAY_MS = 5 * 60_000;

export class Signs {
  /** @type {import("./types.js").Status} what the person chose */
  chosen = "online";
  #isIdle = false;
  #said = "online";
  #typed = new Map();
  #reads = new Map();
  #hidden = 0;

  /**
   * @param {{session: import("./session.js").Session, store: import("./store.js").Store,
   *   places: import("./places.js").Places}} parts
   */
  constructor({ session, store, places }) {
    this.session = session;
    this.store = store;
    this.places = places;
  }

  /** @returns {import("./types.js").Status} what others see of this session */
  get status() {
    return this.chosen === "away" || this.#isIdle ? "away" : "online";
  }

  /** The person's own switch; this tab remembers it. @param {import("./types.js").Status} status */
  choose(status) {
    this.chosen = status;
    this.places.status = status;
    this.#tell();
  }

  /** The page went out of sight, or came back. Away after some minutes out of sight. @param {boolean} isHidden */
  hidden(isHidden) {
    clearTimeout(this.#hidden);
    if (isHidden) this.#hidden = setTimeout(() => this.#idle(true), HIDDEN_IS_AWAY_MS);
    else this.#idle(false);
  }

  /** A new session starts as online; say so if that is not true. */
  hello() {
    this.chosen = this.places.status;
    this.#said = "online";
    this.#tell();
  }

  /**
   * The person is typing (on), or emptied the field. Said at most every 3 s, and at the end of those if it still is so.
   * @param {string} key  @param {boolean} on  @param {string} [thread]  the root, where it is an answer in a thread
   */
  typing(key, on, thread) {
    const typed = this.#typed.get(thread ?? key) ?? { at: -Infinity, timer: 0, isOn: false };
    this.#typed.set(thread ?? key, typed);
    clearTimeout(typed.timer);
    const wait = typed.at + TYPING_EVERY_MS - Date.now();
    if (on && wait > 0) {
      typed.timer = setTimeout(() => this.typing(key, true, thread), wait);
    } else if (on || typed.isOn) {
      // The server forgets its own interval with an "off": the next "on" may follow at once.
      Object.assign(typed, { at: on ? Date.now() : -Infinity, isOn: on });
      this.#say("typing", { channel: key, data: thread ? { on, thread } : { on } });
    }
  }

  /**
   * A message went out: others see it, and need no other sign that the typing is over.
   * @param {string} key  @param {string} [thread]
   */
  sent(key, thread) {
    const typed = this.#typed.get(thread ?? key);
    clearTimeout(typed?.timer);
    if (typed) typed.isOn = false;
  }

  /** Everything in the channel has been seen. @param {string} key */
  read(key) {
    const channel = this.store.channel(key);
    if (!channel?.isLoaded || channel.unread === 0) return;
    channel.read(channel.newest);
    this.places.read(channel.info);
    this.store.touch(key);
    if (channel.info.role === null || this.#reads.has(key)) return;
    const say = () => {
      this.#reads.delete(key);
      const data = { number: channel.info.read_number };
      this.session.request("read", { channel: key, data }).then((mark) => {
        channel.mark({ ...mark, number: channel.info.number });
        this.store.touch(key);
      }, () => {}); // prettier-ignore
    };
    this.#reads.set(key, setTimeout(say, READ_EVERY_MS));
  }

  /** Forget this user. */
  clear() {
    clearTimeout(this.#hidden);
    for (const timer of this.#reads.values()) clearTimeout(timer);
    for (const { timer } of this.#typed.values()) clearTimeout(timer);
    this.#reads.clear();
    this.#typed.clear();
    this.#isIdle = false;
    this.chosen = "online";
  }

  #idle(isIdle) {
    this.#isIdle = isIdle;
    this.#tell();
  }

  #tell() {
    if (this.status === this.#said || !this.session.isLive) return;
    this.#said = this.status;
    this.#say("status", { data: { status: this.status } });
    this.store.touch();
  }

  #say(op, more) {
    this.session.request(op, more).catch(() => {});
  }
}
