/**
 * Chat: what a person can do, and what happens to the state when they do it. Between the views and what is below
 * them: Session (the line), Store (what is known), Outbox (what is not acknowledged), Signs, Places. No DOM.
 */

import { RequestError } from "./errors.js";
import { Outbox, randomNonce } from "./outbox.js";
import { People } from "./people.js";
import { Places } from "./places.js";
import { Session } from "./session.js";
import { Signs } from "./signs.js";
import { Store } from "./store.js";

const PAGE = 50;
const PATIENCE_S = 2;

export class Chat {
  /** @type {string|null} the channel that is shown now */
  active = null;
  /** @type {Map<string, RequestError>} why a channel could not be entered */
  problems = new Map();
  #joins = new Map();
  #pages = new Map();
  #timers = new Map();
  #news = new Set();
  #states = new Set();
  /** @type {import("./threads.js").Threads|undefined} */
  #threads;

  /**
   * @param {{url: string, credentials: import("./credentials.js").Credentials, shared: import("./memory.js").Memory,
   *   own: import("./memory.js").Memory, api?: import("./api.js").Api, WebSocketClass?: any}} parts
   *   shared: by all tabs; own: this tab's; api: for direct channels
   */
  constructor({ url, credentials, shared, own, api, WebSocketClass }) {
    this.credentials = credentials;
    this.api = api;
    this.places = new Places({ shared, own });
    this.store = new Store({ readMark: (key) => this.places.readMark(key) });
    this.people = new People({ ask: (names) => this.#named(names) });
    this.session = new Session({
      url,
      getToken: (refusing) => credentials.access(refusing),
      getResume: () => this.store.cursors(),
      onHello: (hello) => this.#onHello(hello),
      onEvent: (frame) => this.#onEvent(frame),
      onState: (state) => this.#states.forEach((listener) => listener(state)),
      WebSocketClass,
    });
    this.signs = new Signs(this);
    this.outbox = new Outbox({
      send: (key, message) => this.#post(key, message),
      onStored: (key, unsent, reply) => {
        const message = this.store.acknowledge(key, unsent, reply);
        this.#threads?.take(message);
      },
      onChange: (key) => this.store.touch(key),
      memory: own,
      nonce: randomNonce,
    });
  }

  /** @param {(state: import("./session.js").SessionState) => void} listener */
  onState(listener) {
    this.#states.add(listener);
    return () => this.#states.delete(listener);
  }

  /** @param {(news: {kind: string, key: string|null, data: any}) => void} listener  messages, mentions, sanctions */
  onNews(listener) {
    this.#news.add(listener);
    return () => this.#news.delete(listener);
  }

  /** @param {import("./types.js").User} user */
  start(user) {
    this.store.me = user;
    this.places.username = user.username;
    this.outbox.username = user.username;
    this.outbox.restore(user.username);
    this.session.start();
  }

  /** Log out here: nothing of this user stays in the page or the tab. */
  stop() {
    this.session.stop();
    this.outbox.clear();
    this.places.clear();
    this.people.clear();
    this.signs.clear();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const map of [this.#joins, this.#pages, this.#timers, this.problems]) map.clear();
    this.active = null;
    this.#threads?.close();
    this.store.clear();
  }

  // -- Channels ------------------------------------------------------------------------------------------------

  /**
   * Be in a channel, with its newest messages and members known. Harmless when that is so already.
   * @param {string} key
   * @returns {Promise<import("./channel.js").ChannelState>}  rejects with a RequestError, also kept in `problems`
   */
  enter(key) {
    const channel = this.store.channel(key);
    if (channel?.isEntered && channel.isLoaded && !channel.isStale) return Promise.resolve(channel);
    if (!this.#joins.has(key))
      this.#joins.set(
        key,
        this.#join(key).finally(() => this.#joins.delete(key)),
      );
    return this.#joins.get(key);
  }

  /**
   * Belong to a channel for good: it stays in the list on every device, with what is unread.
   * @param {string} key  @param {"all"|"mentions"|"nothing"} [level]
   */
  async follow(key, level) {
    this.store.know(await this.session.request("channel.follow", { channel: key, data: level ? { level } : {} }));
  }

  /**
   * The direct channel with one person, or the group of several. It is known from now on.
   * @param {string[]} usernames  1 to 7  @returns {Promise<string>} its key
   */
  async openDirect(usernames) {
    const info = await this.api.direct(await this.credentials.access(), usernames);
    this.store.know(info);
    return info.key;
  }

  /**
   * What only REST has, as oneself. @param {string} method  @param {string} path  under /api/v1  @param {any} [body]
   * @returns {Promise<any>}
   */
  async rest(method, path, body) {
    return this.api.ask(await this.credentials.access(), method, path, body);
  }

  // -- People --------------------------------------------------------------------------------------------------

  /** People by the beginning of a name. @param {string} search  @returns {Promise<import("./types.js").Person[]>} */
  async searchPeople(search) {
    const { results } = await this.rest("GET", `users?search=${encodeURIComponent(search)}`);
    for (const person of results) this.people.take(person);
    return results;
  }

  /** Somebody, as they are shown now. @param {string} username  @returns {Promise<import("./types.js").Person>} */
  async person(username) {
    const person = await this.rest("GET", `users/${encodeURIComponent(username)}`);
    this.people.take(person);
    return person;
  }

  /** Whom one does not want to hear. @returns {Promise<string[]>} */
  async blocked() {
    const { results } = await this.rest("GET", "me/blocks");
    return results.map(({ username }) => username);
  }

  /** Not hear somebody, or hear them again. @param {string} username  @param {boolean} on */
  async block(username, on) {
    await this.rest(on ? "PUT" : "DELETE", `me/blocks/${encodeURIComponent(username)}`, {});
  }

  /**
   * Change how one shows oneself, by a request that answers with the own account.
   * @param {"PATCH"|"PUT"|"DELETE"} method  @param {string} path  @param {object|Blob} [body]
   */
  async showMyself(method, path, body) {
    const user = await this.rest(method, path, body);
    this.#shown(user);
    return user;
  }

  #shown(user) {
    const { me } = this.store;
    if (me?.id === user.id) {
      const { display_name, avatar_url, status_text } = user;
      this.store.me = { ...me, display_name, avatar_url, status_text };
    }
    this.people.take(user);
  }

  async #named(names) {
    return (await this.rest("GET", `users?names=${encodeURIComponent(names.join(","))}`)).results;
  }

  /** Not see a direct channel or a group until something is said there. @param {string} key */
  async hide(key) {
    this.store.know(await this.api.hide(await this.credentials.access(), key));
    await this.session.request("channel.leave", { channel: key });
    this.places.leave(key);
    this.store.channel(key)?.left();
    this.store.touch(key);
  }

  /** Be in a channel no longer, nor belong to it; a direct one stays in the list. @param {string} key */
  async leave(key) {
    const info = this.store.channel(key)?.info;
    const isFollowed = info && info.role !== null && info.kind !== "direct";
    await this.session.request(isFollowed ? "channel.unfollow" : "channel.leave", { channel: key });
    if (isFollowed) this.store.fold({ event: "channel.removed", channel: key }, Date.now());
    this.places.leave(key);
    this.store.channel(key)?.left();
    this.store.touch(key);
  }

  /** @param {{search?: string, cursor?: string}} query  @returns {Promise<{keys: string[], next: string|null}>} */
  async list(query) {
    const page = await this.session.request("channel.list", { data: query });
    for (const info of page.results) this.store.know(info);
    return { keys: page.results.map(({ key }) => key), next: page.next };
  }

  /** @param {{name: string, topic?: string, kind: "public"|"unlisted"}} wanted  @returns {Promise<string>} its key */
  async create(wanted) {
    const info = await this.session.request("channel.create", { data: wanted });
    this.store.know(info);
    return info.key;
  }

  async #join(key) {
    const known = this.store.channel(key);
    const after = known?.isLoaded ? known.cursor : null;
    try {
      const reply = await this.session.request("channel.join", {
        channel: key,
        data: after === null ? {} : { after },
      });
      this.problems.delete(key);
      const channel = this.store.join(reply, after);
      this.places.enter(channel.info);
      this.#settle(channel);
      return channel;
    } catch (error) {
      this.#onRefused(key, error);
      throw error;
    }
  }

  #onRefused(key, error) {
    if (error.isPatience) {
      this.#later(key, (error.retryAfterS ?? PATIENCE_S) * 1000, () => this.#joinAgain([key]));
    } else if (!error.isConnection) {
      this.problems.set(key, error);
      this.places.leave(key);
      this.store.channel(key)?.left();
    }
    this.store.touch(key);
  }

  /** Older messages than those known. Returns when they are in the store. @param {string} key */
  loadOlder(key) {
    const channel = this.store.channel(key);
    if (!channel?.isLoaded || !channel.hasOlder) return Promise.resolve();
    if (!this.#pages.has(key))
      this.#pages.set(
        key,
        this.#page(channel).finally(() => this.#pages.delete(key)),
      );
    return this.#pages.get(key);
  }

  async #page(channel) {
    const before = channel.oldest;
    const page = await this.session.request("message.list", {
      channel: channel.key,
      data: { before, limit: PAGE, flow: true },
    });
    // A reset in the meantime put another window in its place: the page may not touch it.
    if (channel.oldest !== before) return;
    channel.prepend(page);
    this.store.touch(channel.key);
  }

  /** More members than those known. Returns when they are in the store. @param {string} key */
  async loadMembers(key) {
    const channel = this.store.channel(key);
    const cursor = channel?.membersNext ?? null;
    if (cursor === null) return;
    const page = await this.session.request("channel.members", { channel: key, data: { cursor } });
    // Another join, or another click, in the meantime put another list in its place.
    if (channel.membersNext !== cursor) return;
    channel.addMembers(page);
    this.store.touch(key);
  }

  // -- Messages ------------------------------------------------------------------------------------------------

  /** What is said in threads. It is loaded when it is asked for first. @returns {Promise<import("./threads.js").Threads>} */
  async threads() {
    const { Threads } = await import("./threads.js");
    return (this.#threads ??= new Threads(this));
  }

  /** @param {string} key  @param {string} text  @param {import("./types.js").Beside} [beside] */
  send(key, text, beside) {
    this.signs.sent(key, beside?.thread);
    this.outbox.add(key, text, beside);
    // Who writes wants to see the answers. Where it is refused, the message may still go out.
    if (this.store.channel(key)?.info.role === null) this.follow(key).catch(() => {});
  }

  edit(key, id, text) {
    return this.#change("message.edit", key, { id, text });
  }

  remove(key, id) {
    return this.#change("message.delete", key, { id });
  }

  /** Put one's emoji on a message, or take it back. @param {import("./types.js").Message} message */
  react(message, emoji) {
    const has = message.reactions[emoji]?.includes(this.store.me.username);
    return this.#change(has ? "reaction.remove" : "reaction.add", message.channel, { id: message.id, emoji });
  }

  async #change(op, key, data) {
    this.store.channel(key)?.amend(await this.session.request(op, { channel: key, data }));
    this.store.touch(key);
  }

  async #post(key, message) {
    if (!this.session.isLive) throw new RequestError("offline");
    if (!this.store.channel(key)?.isEntered) await this.enter(key);
    try {
      return await this.session.request("message.send", { channel: key, data: message });
    } catch (error) {
      if (error.code !== "not_a_member") throw error;
      this.store.channel(key)?.left();
      await this.enter(key);
      return this.session.request("message.send", { channel: key, data: message });
    }
  }

  // -- What the server tells -----------------------------------------------------------------------------------

  /** The line may have died unnoticed, or something may have been missed: ask, and take what is new. */
  async probe() {
    const reply = await this.session.probe("sync", { data: { channels: this.store.cursors() } });
    if (reply) this.#joinAgain(this.store.sync(reply));
  }

  #onHello(hello) {
    this.people.doubt();
    this.people.take(hello.user);
    const again = new Set([...this.store.hello(hello), ...this.places.entered()]);
    if (this.active !== null) again.add(this.active);
    for (const channel of this.store.channels.values()) this.#settle(channel);
    this.#joinAgain(again);
    this.signs.hello();
    this.outbox.resume();
  }

  #onEvent(frame) {
    if (frame.event === "user.updated") {
      this.#shown(frame.data.user);
      return;
    }
    const news = this.store.fold(frame, Date.now());
    this.#threads?.hear(frame);
    const channel = frame.channel === undefined ? undefined : this.store.channel(frame.channel);
    if (channel && frame.data?.nonce && frame.data.author === this.store.me?.username) {
      this.outbox.remove(channel.key, frame.data.nonce);
    }
    if (news?.kind === "sanction" && news.key !== null) this.#onSanction(news.key, news.data);
    if (news?.kind === "sync") this.#resync(news.key);
    else if (news) this.#news.forEach((listener) => listener(news));
  }

  /** A ban stays on the channel's page until it is lifted. */
  #onSanction(key, { kind, until, reason }) {
    if (kind === "ban") {
      const terms = { until, reason, isEverywhere: false };
      this.problems.set(key, new RequestError("banned", { terms }));
      this.places.leave(key);
    } else if (kind === "lift" && this.problems.get(key)?.code === "banned") {
      this.problems.delete(key);
      if (this.active === key) this.#joinAgain([key]);
      // Who decides about joins may hear of it a moment after us, and refuse once more.
      this.#later(key, PATIENCE_S * 1000, () => {
        if (this.active === key && this.problems.get(key)?.code === "banned") this.#joinAgain([key]);
      });
    } else return;
    this.store.touch(key);
  }

  /** Unsent messages that the server has after all: their acknowledgement was lost with the old line. */
  #settle(channel) {
    const unsent = new Set(this.outbox.entries(channel.key).map(({ nonce }) => nonce));
    if (unsent.size === 0) return;
    for (const { nonce, author } of channel.messages) {
      if (unsent.has(nonce) && author === this.store.me.username) this.outbox.remove(channel.key, nonce);
    }
  }

  #joinAgain(keys) {
    // What failed is in `problems`, or comes again by itself.
    for (const key of keys) this.enter(key).catch(() => {});
  }

  async #resync(key) {
    const cursor = this.store.channel(key)?.cursor ?? null;
    if (cursor === null) return;
    try {
      const reply = await this.session.request("sync", { data: { channels: { [key]: cursor } } });
      this.#joinAgain(this.store.sync(reply));
    } catch {
      // The next hello resumes from the same cursor.
    }
  }

  /** One timer per channel: what is planned already is not planned again. */
  #later(key, ms, work) {
    if (this.#timers.has(key)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      work();
    }, ms);
    this.#timers.set(key, timer);
  }
}
