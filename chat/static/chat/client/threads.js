/**
 * Threads: what is said under one message, and which of them one follows. Part of Chat, which loads it when it is asked
 * for: `const threads = await chat.threads()`. No DOM.
 *
 * One thread at a time is open: `open()` reads it, and from then on it is kept as it is, by events, by acknowledgements
 * and by what the channel is brought up to date with.
 */

const PAGE = 50;
const DURABLE = new Set(["message.new", "message.updated", "message.deleted", "reaction.changed"]);

/** One thread: its replies from some place on, sorted by number. */
class Thread {
  /** The message that it hangs on. @type {import("./types.js").Message|undefined} */
  first;
  /** @type {import("./types.js").Message[]} */
  messages = [];
  hasOlder = false;
  isLoaded = false;
  isFollowed = false;
  readNumber = 0;
  /** The window of its channel from which on it was kept right. */
  windows = 0;
  isBeingRead = false;

  /** @param {string} key  the channel  @param {string} root  the id of the message that it hangs on */
  constructor(key, root) {
    this.key = key;
    this.root = root;
  }

  get newest() {
    return this.messages.at(-1)?.number ?? 0;
  }

  find(id) {
    return id === this.root ? this.first : this.messages.find((message) => message.id === id);
  }

  /** The message with the greater changed_seq wins. Returns whether something is otherwise now. */
  put(message) {
    if (!this.isLoaded) return false;
    if (message.id === this.root) {
      const isNewer = message.changed_seq > this.first.changed_seq;
      if (isNewer) this.first = message;
      return isNewer;
    }
    if (message.thread !== this.root) return false;
    const index = this.messages.findIndex(({ number }) => number >= message.number);
    if (index === 0 && this.hasOlder && this.messages[0].number > message.number) return false;
    const known = this.messages[index];
    if (known?.id === message.id) {
      if (known.changed_seq >= message.changed_seq) return false;
      this.messages[index] = message;
    } else {
      this.messages.splice(index < 0 ? this.messages.length : index, 0, message);
    }
    return true;
  }
}

export class Threads {
  /** @type {Thread|null} */
  #open = null;

  /** @param {any} chat  the Chat; by name it would be a circle */
  constructor(chat) {
    this.chat = chat;
    chat.store.subscribe((key) => this.#catchUp(key));
  }

  /**
   * Read a thread, and keep to it from now on. @param {string} key  @param {string} root  @returns {Promise<Thread>}
   */
  async open(key, root) {
    const thread = (this.#open = new Thread(key, root));
    await this.#read(thread);
    return thread;
  }

  async #read(thread) {
    const { key, root } = thread;
    const windows = this.chat.store.channel(key)?.windows;
    const path = `channels/${encodeURIComponent(key)}/threads/${root}`;
    thread.isBeingRead = true;
    try {
      const [page, mine] = await Promise.all([this.#page(thread, {}), this.chat.rest("GET", path)]);
      thread.first = mine.root;
      thread.isFollowed = mine.is_followed;
      thread.readNumber = Math.max(thread.readNumber, mine.read_number);
      thread.messages = page.messages;
      thread.hasOlder = page.has_more;
      thread.windows = windows;
      thread.isLoaded = true;
    } finally {
      thread.isBeingRead = false;
    }
    this.#catchUp(key);
  }

  close() {
    this.#open = null;
  }

  /** Older replies than those known. @param {Thread} thread */
  async older(thread) {
    const before = thread.messages[0]?.number;
    if (!thread.hasOlder || before === undefined) return;
    const page = await this.#page(thread, { before });
    if (thread.messages[0]?.number !== before) return;
    thread.messages.unshift(...page.messages);
    thread.hasOlder = page.has_more;
    this.chat.store.touch(thread.key);
  }

  #page({ key, root }, more) {
    const data = { thread: root, limit: PAGE, ...more };
    return this.chat.session.request("message.list", { channel: key, data });
  }

  /** Be told of what is said in a thread, or no longer. @returns {Promise<import("./types.js").Thread>} */
  async follow(key, root, on = true) {
    const op = on ? "thread.follow" : "thread.unfollow";
    const mine = await this.chat.session.request(op, { channel: key, data: { thread: root } });
    if (this.#open?.root === root) this.#open.isFollowed = mine.is_followed;
    return mine;
  }

  /** Its replies up to this number are read, and the mentions in them. @param {string} key  @param {string} root */
  async read(key, root, number) {
    const mark = await this.chat.session.request("thread.read", { channel: key, data: { thread: root, number } });
    const channel = this.chat.store.channel(key);
    channel?.mark({ ...mark, number: channel.info.number });
    this.chat.store.touch(key);
  }

  /**
   * The threads that one follows, newest activity first. @param {string} [cursor]
   * @returns {Promise<{results: import("./types.js").Thread[], next: string|null}>}
   */
  list(cursor) {
    return this.chat.rest("GET", cursor ? `me/threads?cursor=${encodeURIComponent(cursor)}` : "me/threads");
  }

  /** The answer to an edit, a deletion, a reaction or a sending. @param {import("./types.js").Message|undefined} message */
  take(message) {
    if (message && this.#open?.put(message)) this.chat.store.touch(message.channel);
  }

  /** @param {import("./types.js").EventFrame} frame */
  hear({ event, data }) {
    if (DURABLE.has(event)) this.take(data);
  }

  /** What the channel was told after a lost line is news for the thread, too. */
  #catchUp(key) {
    const thread = this.#open;
    if (!thread?.isLoaded || thread.isBeingRead || (key !== null && key !== thread.key)) return;
    const channel = this.chat.store.channel(thread.key);
    if (!channel?.isLoaded) return;
    if (channel.windows === thread.windows) {
      for (const message of channel.known()) thread.put(message);
      return;
    }
    // What came between two windows of the channel nobody told of: it is read anew.
    this.#read(thread).then(() => this.chat.store.touch(thread.key), () => {}); // prettier-ignore
  }
}
