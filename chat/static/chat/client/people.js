/**
 * People: what others show of themselves, by user name. Who is asked about for the first time is read soon, many at once;
 * who was read long ago, again. What the server tells replaces what is known. It holds so many, those seen last. No DOM.
 */

const MOST = 2_000;
const TOGETHER = 50;
const PAUSE_MS = 30;
const STALE_MS = 600_000;
const AGAIN_MS = 10_000;

export class People {
  #known = new Map();
  #wanted = new Set();
  #listeners = new Set();
  #timer = null;

  /** @param {{ask: (names: string[]) => Promise<import("./types.js").Person[]>, now?: () => number}} parts */
  constructor({ ask, now = () => Date.now() }) {
    this.ask = ask;
    this.now = now;
  }

  /** @param {() => void} listener  told when somebody is shown otherwise */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The person, as far as is known. Whoever is not, or was read long ago, is asked for, and the listeners are told.
   * @param {string} username  @returns {import("./types.js").Person|null}
   */
  find(username) {
    const name = username.toLowerCase();
    const known = this.#known.get(name);
    if (known) {
      // The one that was asked for last goes last.
      this.#known.delete(name);
      this.#known.set(name, known);
    }
    if (!known || this.now() - known.at > STALE_MS) this.#want(name);
    return known?.person ?? null;
  }

  /** Somebody, as the server shows them now. @param {import("./types.js").Person} person */
  take(person) {
    this.#put(person.username.toLowerCase(), person);
    this.#tell();
  }

  /** Something may have been missed: who is asked about is read again. */
  doubt() {
    for (const known of this.#known.values()) known.at = -Infinity;
  }

  clear() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#known.clear();
    this.#wanted.clear();
  }

  #put(name, person) {
    this.#known.delete(name);
    this.#known.set(name, { person, at: this.now() });
    if (this.#known.size > MOST) this.#known.delete(this.#known.keys().next().value);
  }

  #want(name) {
    this.#wanted.add(name);
    this.#timer ??= setTimeout(() => this.#read(), PAUSE_MS);
  }

  async #read() {
    const names = [...this.#wanted].slice(0, TOGETHER);
    let pauseMs = PAUSE_MS;
    try {
      const found = new Map((await this.ask(names)).map((person) => [person.username.toLowerCase(), person]));
      for (const name of names) {
        this.#wanted.delete(name);
        // Nobody of that name is worth knowing, too.
        this.#put(name, found.get(name) ?? null);
      }
      this.#tell();
    } catch {
      // Without a line, or too often. Who is still shown is asked for again.
      this.#wanted.clear();
      pauseMs = AGAIN_MS;
    }
    this.#timer = null;
    if (pauseMs === AGAIN_MS) this.#timer = setTimeout(() => ((this.#timer = null), this.#tell()), AGAIN_MS);
    else if (this.#wanted.size > 0) this.#timer = setTimeout(() => this.#read(), PAUSE_MS);
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}
