/**
 * Store: everything the pages show, as plain state. Hellos, replies and events go in; views read and are told
 * which channel changed. Pure but for its listeners: no DOM, no network, no clock (`now` is an argument, ms).
 */

import { ChannelState } from "./channel.js";

const DURABLE = new Set(["message.new", "message.updated", "message.deleted", "reaction.changed"]);

export class Store {
  /** @type {import("./types.js").User|null} */
  me = null;
  /** @type {string|null} */
  epoch = null;
  limits = { text_chars: 4_000 };
  /** @type {Map<string, ChannelState>} */
  channels = new Map();
  #listeners = new Set();

  /** @param {{readMark?: (key: string) => number|undefined}} [parts]  markers that only this browser keeps */
  constructor({ readMark = () => undefined } = {}) {
    this.readMark = readMark;
  }

  /** @param {(key: string|null) => void} listener  told the channel that changed, or null for anything else */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tell the listeners; for changes that were made on a ChannelState directly. */
  touch(key = null) {
    for (const listener of this.#listeners) listener(key);
  }

  /** @returns {ChannelState|undefined} */
  channel(key) {
    return this.channels.get(key);
  }

  /** The channel under this key, known from now on. @param {import("./types.js").ChannelInfo} info */
  know(info) {
    const known = this.channels.get(info.key);
    if (known) known.describe(info);
    else this.channels.set(info.key, new ChannelState(info, this.readMark(info.key)));
    this.channels.get(info.key).me = this.me?.username;
    this.touch(info.key);
    return this.channels.get(info.key);
  }

  /** Cursors of the entered channels, for hello's resume and for sync. @returns {Object<string, number>} */
  cursors() {
    const cursors = {};
    for (const channel of this.channels.values()) {
      if (channel.isEntered && channel.cursor !== null) cursors[channel.key] = channel.cursor;
    }
    return cursors;
  }

  /**
   * Take the answer to a hello. Returns the keys of the channels that must be joined anew: no cursor, or a reset.
   * @param {import("./types.js").Hello} hello
   * @returns {string[]}
   */
  hello(hello) {
    const isOtherHistory = this.epoch !== null && this.epoch !== hello.epoch;
    this.me = hello.user;
    this.epoch = hello.epoch;
    this.limits = { ...this.limits, ...hello.limits };
    const entered = [...this.channels.values()].filter((channel) => channel.isEntered).map(({ key }) => key);
    if (isOtherHistory) this.channels.clear();
    for (const info of hello.channels) this.know(info);
    if (hello.channels_left === 0) this.#keep(new Set(hello.channels.map(({ key }) => key)));
    if (isOtherHistory) return entered;
    const again = [];
    for (const channel of this.channels.values()) {
      if (!channel.isEntered) continue;
      channel.isStale = true;
      channel.typing.clear();
      const changes = hello.resume?.[channel.key];
      if (!changes || !channel.change(changes)) again.push(channel.key);
    }
    this.touch();
    return again;
  }

  /**
   * Take the answer to a sync. Returns the keys that must be joined anew.
   * @param {{channels: Object<string, import("./types.js").Changes>}} reply
   */
  sync(reply) {
    const again = [];
    for (const [key, changes] of Object.entries(reply.channels)) {
      const channel = this.channels.get(key);
      if (channel && !channel.change(changes)) again.push(key);
    }
    this.touch();
    return again;
  }

  /** @param {import("./types.js").JoinReply} reply  @param {number|null} after */
  join(reply, after) {
    const channel = this.know(reply.channel);
    channel.join(reply, after);
    this.touch(channel.key);
    return channel;
  }

  /**
   * Take one event. Returns what pages may want to announce, or null.
   * @param {import("./types.js").EventFrame} frame
   * @param {number} now
   * @returns {{kind: "message"|"mention"|"pin"|"sync"|"sanction", key: string|null, data: any}|null}
   */
  fold(frame, now) {
    const { event, data = {} } = frame;
    const key = frame.channel ?? null;
    const channel = key === null ? undefined : this.channels.get(key);
    if (DURABLE.has(event)) return channel ? this.#foldMessage(channel, data, frame.seq) : null;
    if (event === "channel.created") {
      if (!this.channels.has(data.key)) this.know(data);
      return null;
    }
    if (event === "channel.added") {
      this.know(data);
      return null;
    }
    if (event === "channel.removed") {
      this.#removed(key);
      return null;
    }
    if (event === "sanction") {
      if (data.kind === "kick" || data.kind === "ban") channel?.left();
      this.touch(key);
      return { kind: "sanction", key, data };
    }
    if (!channel) return null;
    const found = this.#foldOther(channel, event, data, now);
    this.touch(key);
    return found;
  }

  /** These are all that the user belongs to: others were left meanwhile, on another device. */
  #keep(keys) {
    for (const { key, info } of this.channels.values()) if (info.role !== null && !keys.has(key)) this.#removed(key);
  }

  /** The user belongs to it no longer, or may not read it: what nobody else may find goes from here, too. */
  #removed(key) {
    const channel = this.channels.get(key);
    if (!channel) return;
    channel.left();
    channel.info = { ...channel.info, role: null, level: null };
    if (["private", "direct", "group"].includes(channel.info.kind)) this.channels.delete(key);
    this.touch(key);
  }

  #foldMessage(channel, message, seq) {
    const isNew = channel.take(message, seq);
    this.touch(channel.key);
    return isNew ? { kind: "message", key: channel.key, data: message } : null;
  }

  #foldOther(channel, event, data, now) {
    const isMe = data.username === this.me?.username;
    switch (event) {
      case "member.joined":
        channel.setMember(data.username, data.status ?? "online");
        break;
      case "member.left":
        channel.removeMember(data.username);
        if (isMe) channel.left();
        break;
      case "presence.changed":
        channel.setPresence(data.username, data.status);
        break;
      case "typing":
        if (!isMe) channel.setTyping(data.username, data.on !== false, now, data.thread);
        break;
      case "read.updated":
        channel.mark(data);
        break;
      case "channel.activity":
        channel.hear(data);
        break;
      case "level.changed":
        channel.info = { ...channel.info, level: data.level };
        break;
      case "mention":
        channel.mention(data);
        return { kind: "mention", key: channel.key, data };
      case "pin.changed":
        return { kind: "pin", key: channel.key, data };
      case "channel.updated":
      case "channel.archived":
        // Told to everybody alike, so it says nothing true of one's own role and markers.
        channel.rename(data);
        break;
      case "sync.required":
        return { kind: "sync", key: channel.key, data };
      default:
    }
    return null;
  }

  /**
   * Take the acknowledgement of one's own message: it stands in the place of the event that one is not sent.
   * @param {string} key
   * @param {import("./types.js").Unsent} unsent
   * @param {{id: string, number: number, flow: number, seq: number, mentions?: string[], created_at: string,
   *   thread_info?: object, duplicate?: boolean}} reply
   */
  acknowledge(key, unsent, reply) {
    const channel = this.channels.get(key);
    // Stored by an earlier try: it may have changed since, so what the channel tells counts, not what was written.
    if (!channel || reply.duplicate) return undefined;
    const { id, number, flow, seq, mentions = [], created_at, thread_info } = reply;
    const { text, nonce, files, thread, also_in_channel } = unsent;
    const rest = { reply_to: null, reactions: {}, mentions, edited_at: null, deleted_at: null };
    const author = this.me.username;
    const place = { channel: key, number, flow, seq, changed_seq: seq };
    const message = { id, ...place, author, text, nonce, created_at, ...rest };
    if (files) message.files = files;
    if (thread) Object.assign(message, { thread, also_in_channel: Boolean(also_in_channel), thread_info });
    channel.take(message, seq);
    this.touch(key);
    return message;
  }

  /** Forget everything: another user, or none. */
  clear() {
    this.me = null;
    this.epoch = null;
    this.channels.clear();
    this.touch();
  }
}
