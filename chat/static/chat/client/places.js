/**
 * Places: which channels this person goes to, as this browser remembers it.
 *
 * Entered: where this tab is, so that a reload enters them again. Visited: unlisted channels, which no list names
 * and of which the server keeps no read marker for people who only know the link. Drafts: what is written in them.
 */

const VISITED_LIMIT = 50;
const DRAFT_LIMIT = 50;

export class Places {
  /** @param {{shared: import("./memory.js").Memory, own: import("./memory.js").Memory}} parts */
  constructor({ shared, own }) {
    this.shared = shared;
    this.own = own;
    this.username = "";
  }

  /** @returns {string[]} keys of the channels this tab is in */
  entered() {
    const kept = this.own.get("entered");
    return kept?.username === this.username ? kept.keys : [];
  }

  /** Whether this tab's person chose to be away. @returns {import("./types.js").Status} */
  get status() {
    return this.own.get("status", "online");
  }

  set status(status) {
    this.own.set("status", status);
  }

  /** @returns {{key: string, name: string, read: number}[]} oldest first */
  visited() {
    return this.shared.get(this.#name, []);
  }

  /** What is written there and not sent, also over a reload. @param {string} where  a channel's key, a thread's root */
  draft(where) {
    return this.#drafts[where] ?? "";
  }

  /** @param {string} where  @param {string} text */
  keepDraft(where, text) {
    const { [where]: _, ...others } = this.#drafts;
    const texts = text.trim() === "" ? others : { ...others, [where]: text };
    this.own.set("drafts", { username: this.username, texts: Object.fromEntries(Object.entries(texts).slice(-DRAFT_LIMIT)) });
  }

  get #drafts() {
    const kept = this.own.get("drafts");
    return kept?.username === this.username ? kept.texts : {};
  }

  readMark(key) {
    return this.visited().find((place) => place.key === key)?.read;
  }

  /** @param {import("./types.js").ChannelInfo} info */
  enter(info) {
    this.#setEntered([...this.entered().filter((key) => key !== info.key), info.key]);
    if (info.role === null && info.kind !== "public") this.#setVisited(info);
  }

  /** @param {import("./types.js").ChannelInfo} info */
  read(info) {
    if (info.role === null && info.kind !== "public") this.#setVisited(info);
  }

  /** @param {string} key */
  leave(key) {
    this.#setEntered(this.entered().filter((entered) => entered !== key));
    this.shared.set(
      this.#name,
      this.visited().filter((place) => place.key !== key),
    );
  }

  /** Log-out: this tab is nowhere. What was visited is kept for the next login. */
  clear() {
    this.own.remove("drafts");
    this.own.remove("entered");
    this.own.remove("status");
  }

  get #name() {
    return `visited.${this.username.toLowerCase()}`;
  }

  #setEntered(keys) {
    this.own.set("entered", { username: this.username, keys });
  }

  #setVisited(info) {
    const place = { key: info.key, name: info.name, read: info.read_number };
    const others = this.visited().filter(({ key }) => key !== info.key);
    this.shared.set(this.#name, [...others, place].slice(-VISITED_LIMIT));
  }
}
