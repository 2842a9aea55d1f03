/**
 * ChannelState: what is known of one chat channel, and how events change it. Pure: no DOM, no network, no clock.
 *
 * Messages are a window at the newest end, sorted by number. Everything may be told twice: the message with the
 * greater changed_seq wins. The cursor is the greatest seq of the channel's stream (acknowledgements, events, and
 * the answers to join, sync and resume, which the server gives in their place of that stream).
 */

const TYPING_LASTS_MS = 6_000;
const LEFT_SHOWN = 500;
const ASIDE_LIMIT = 200;

/** Whether a thread alone shows the message. @param {{thread?: string, also_in_channel?: boolean}} message */
export const isAside = ({ thread, also_in_channel }) => Boolean(thread) && !also_in_channel;

export class ChannelState {
  /** @type {import("./types.js").Message[]} */
  messages = [];
  /** Whether there are older messages than the window's. */
  hasOlder = false;
  /** Whether the window holds the newest messages: set by a join, and from then on kept true by events. */
  isLoaded = false;
  /** Whether this session is in the channel, as far as it knows. */
  isEntered = false;
  /** Whether `members` may be out of date: after a reconnect, until the next join. */
  isStale = false;
  /** @type {Map<string, import("./types.js").Status>} */
  members = new Map();
  memberCount = 0;
  /** The cursor of the next page of members; null: all are known. @type {string|null} */
  membersNext = null;
  /** @type {Map<string, {until: number, thread: string|null}>} who is typing → until when (ms), in which thread */
  typing = new Map();
  cursor = null;
  /** Counts the windows: what came between two of them is not known. */
  windows = 0;
  /** Whose messages are one's own. @type {string|undefined} */
  me;

  #byId = new Map();
  // Changes of messages older than the window: a page of history that was read before them must not undo them.
  #aside = new Map();
  #mentioned = new Set();
  // The mentions in messages up to this number are counted.
  #countedTo = 0;

  /**
   * @param {import("./types.js").ChannelInfo} info
   * @param {number} [read]  the own marker, for channels where the server keeps none (role null)
   */
  constructor(info, read = info.number) {
    this.key = info.key;
    const flow = Math.max(0, info.flow - Math.max(0, info.number - read));
    this.info = info.role === null ? { ...info, read_number: read, read_flow: flow } : info;
    this.#countedTo = info.number;
    this.memberCount = info.online;
  }

  /** Messages of others above the read marker. Where the server keeps none they only count while one is there. */
  get unread() {
    if (this.info.role === null && !this.isEntered) return 0;
    return Math.max(0, this.info.flow - this.info.read_flow - this.info.own);
  }

  get newest() {
    return this.messages.at(-1)?.number ?? 0;
  }

  get oldest() {
    return this.messages[0]?.number ?? 0;
  }

  find(id) {
    return this.#byId.get(id);
  }

  /** Take what a list or a join says of the channel. Its counters never run backwards here. */
  describe(info) {
    const { seq, number, flow, read_number: read, mentions } = this.info;
    // What was read here a moment ago may not have come to the server.
    const isSame = this.info.read_rev === info.read_rev;
    const isOurs = isSame ? read > info.read_number : this.info.read_rev > info.read_rev;
    const { read_number, read_flow, own, read_rev } = isOurs ? this.info : info;
    this.info = {
      ...info,
      seq: Math.max(seq, info.seq),
      number: Math.max(number, info.number),
      flow: Math.max(flow, info.flow),
      ...{ read_number, read_flow, own, read_rev },
      mentions: isOurs ? Math.min(mentions, info.mentions) : this.#counted(info),
    };
    if (!this.isEntered) this.memberCount = info.online;
  }

  /**
   * Take the answer to a join. `after`: the cursor that was sent with it, or null.
   * @param {import("./types.js").JoinReply} reply
   */
  join(reply, after) {
    this.isEntered = true;
    this.isStale = false;
    this.describe(reply.channel);
    this.members = new Map(reply.members.map(({ username, status }) => [username, status]));
    this.memberCount = reply.member_count;
    this.membersNext = reply.members_next ?? null;
    if (after === null || reply.reset) this.#replace(reply.messages ?? [], reply.seq);
    else this.change({ messages: reply.messages, seq: reply.seq });
  }

  /**
   * Take what changed since the cursor (resume, sync, join). Returns false on a reset: the window is gone, join anew.
   * @param {import("./types.js").Changes} changes
   */
  change({ messages = [], seq, reset = false }) {
    if (reset) {
      this.reset();
      return false;
    }
    for (const message of messages) this.#put(message);
    this.#reach(seq);
    return true;
  }

  /** Forget the messages and the cursor: they must be read anew. */
  reset() {
    this.messages = [];
    this.#byId.clear();
    this.#aside.clear();
    this.cursor = null;
    this.windows += 1;
    this.isLoaded = false;
    this.hasOlder = false;
  }

  /** All that is known: the window, and what changed of messages older than that. */
  *known() {
    yield* this.#aside.values();
    yield* this.messages;
  }

  /** Take a page of older messages. @param {{messages: import("./types.js").Message[], has_more: boolean}} page */
  prepend(page) {
    const known = this.oldest;
    for (const message of page.messages) {
      if (known !== 0 && message.number >= known) continue;
      const changed = this.#aside.get(message.id);
      this.#insert(changed && changed.changed_seq > message.changed_seq ? changed : message);
    }
    this.hasOlder = page.has_more;
  }

  /** Let go of the oldest messages, so that a channel that runs for days does not fill the memory. */
  trim(keep = LEFT_SHOWN) {
    if (this.messages.length <= keep * 2) return;
    for (const gone of this.messages.splice(0, this.messages.length - keep)) this.#byId.delete(gone.id);
    this.hasOlder = true;
  }

  /**
   * One durable event, or the acknowledgement of one's own message, which stands in its place. Returns whether the
   * message is new here.
   * @param {import("./types.js").Message} message  @param {number} seq
   */
  take(message, seq) {
    // Without a window there is nothing to add to: the join that is under way brings the message.
    if (!this.isLoaded) return false;
    const isNew = message.number > this.newest && message.deleted_at === null;
    if (isNew && message.author === this.me && !isAside(message)) this.#posted(message);
    this.#put(message);
    this.#reach(seq);
    if (isNew) this.typing.delete(message.author);
    return isNew;
  }

  /** The answer to an edit, a deletion or a reaction. Its event brings the cursor forward, in its place. */
  amend(message) {
    if (this.isLoaded) this.#put(message);
  }

  /** A member came, or is otherwise than before. */
  setMember(username, status) {
    if (!this.members.has(username)) this.memberCount += 1;
    this.members.set(username, status);
  }

  setPresence(username, status) {
    // While not all are known, whoever changes may move from a page that is to come into one that was read.
    if (this.members.has(username) || this.membersNext !== null) this.members.set(username, status);
  }

  /** Take a page of further members. @param {{results: import("./types.js").Member[], next: string|null}} page */
  addMembers({ results, next }) {
    // Of those who are known, events have told more since.
    for (const { username, status } of results) {
      if (!this.members.has(username)) this.members.set(username, status);
    }
    this.membersNext = next;
  }

  removeMember(username) {
    this.members.delete(username);
    this.memberCount = Math.max(this.members.size, this.memberCount - 1);
    this.typing.delete(username);
  }

  setTyping(username, on, now, thread = null) {
    if (on) this.typing.set(username, { until: now + TYPING_LASTS_MS, thread });
    else this.typing.delete(username);
  }

  /**
   * Who is typing now, in the channel or in one thread; those whose time is over are forgotten.
   * @param {number} now  @param {string|null} [thread]
   */
  typists(now, thread = null) {
    for (const [username, { until }] of this.typing) if (until <= now) this.typing.delete(username);
    return [...this.typing].filter(([, where]) => where.thread === thread).map(([username]) => username);
  }

  /** Somebody named the user, in a message that may not be in the window. @param {{number: number}} message */
  mention({ number, thread }) {
    const read = thread ? 0 : this.info.read_number;
    if (number <= Math.max(read, this.#countedTo) || this.#mentioned.has(number)) return;
    this.#mentioned.add(number);
    const more = Math.max(0, number - this.info.number);
    this.info = {
      ...this.info,
      mentions: this.info.mentions + 1,
      number: this.info.number + more,
      flow: this.info.flow + (thread ? 0 : more),
    };
  }

  /** Something was said there while one is not in it; `info.last` is the newest message then. @param {import("./types.js").Activity} activity */
  hear({ head, last }) {
    const { seq, number, flow } = this.info;
    this.info = {
      ...this.info,
      seq: Math.max(seq, head.seq),
      number: Math.max(number, head.number),
      flow: Math.max(flow, head.flow),
      ...(head.number >= number ? { last } : {}),
      is_hidden: this.info.is_hidden && head.number <= number,
    };
  }

  /** Another name or topic, slower, frozen or archived; nothing else of what is told to everybody alike is about this user. */
  rename({ name, topic, threads, slow_mode_s, everybody_pins, frozen_at, archived_at }) {
    this.info = { ...this.info, name, topic, threads, slow_mode_s, everybody_pins, frozen_at, archived_at };
  }

  /** Everything up to this message has been read; it is shown. A lower number than before changes nothing. */
  read(number) {
    if (number <= this.info.read_number) return;
    const above = this.messages.slice(this.#indexOf(number + 1)).filter((each) => !isAside(each));
    const flow = above.length > 0 ? above[0].flow - 1 : this.info.flow;
    this.#place({ read_number: number, read_flow: flow, own: above.filter((each) => each.author === this.me).length });
  }

  /** The server's word on where the marker stands: the greatest `read_rev` is the newest. */
  mark({ read_number, read_flow, own, read_rev, mentions, number }) {
    if (read_rev > this.info.read_rev) this.#place({ read_number, read_flow, own, read_rev });
    if (mentions === undefined || read_rev < this.info.read_rev) return;
    this.info = { ...this.info, mentions: this.#counted({ number, mentions }) };
  }

  /** How many mentions are unread: those that the server counted up to that message, and those that came since. */
  #counted({ number, mentions }) {
    this.#countedTo = Math.max(this.#countedTo, number);
    return mentions + [...this.#mentioned].filter((each) => each > number).length;
  }

  #place(marker) {
    const number = marker.read_number;
    for (const mentioned of this.#mentioned) if (mentioned <= number) this.#mentioned.delete(mentioned);
    this.info = { ...this.info, ...marker, mentions: number >= this.info.number ? 0 : this.info.mentions };
  }

  /** One's own message, the newest one: who had read everything before it has read it, too. The server counts alike. */
  #posted({ number, flow }) {
    const { read_flow, own } = this.info;
    if (flow - 1 - read_flow - own <= 0) this.#place({ read_number: number, read_flow: flow, own: 0 });
    else this.info = { ...this.info, own: own + 1 };
  }

  /** The own session is no longer in it. */
  left() {
    this.isEntered = false;
    this.members = new Map();
    this.membersNext = null;
    this.typing.clear();
    this.reset();
  }

  #replace(messages, seq) {
    this.reset();
    for (const message of messages) this.#insert(message);
    this.isLoaded = true;
    this.hasOlder = messages.length > 0 && messages[0].number > 1;
    this.#reach(seq);
  }

  #put(message) {
    this.#count(message);
    if (message.thread && message.thread_info) this.#inform(message.thread_info);
    const known = this.#byId.get(message.id);
    if (known) {
      if (message.changed_seq <= known.changed_seq) return;
      this.messages[this.#indexOf(known.number)] = message;
      this.#byId.set(message.id, message);
    } else if (!this.hasOlder || message.number > this.oldest) {
      this.#insert(message);
    } else {
      if (this.#aside.size >= ASIDE_LIMIT) this.#aside.delete(this.#aside.keys().next().value);
      this.#aside.set(message.id, message);
    }
  }

  /** A reply says what its thread is now: its root shows it, if that is in the window. */
  #inform(info) {
    const index = this.#indexOf(info.number);
    const root = this.messages[index];
    if (root?.number !== info.number || root.thread_info?.seq > info.seq) return;
    this.messages[index] = { ...root, thread_info: info };
    this.#byId.set(root.id, this.messages[index]);
  }

  #insert(message) {
    if (this.#byId.has(message.id)) return;
    this.messages.splice(this.#indexOf(message.number), 0, message);
    this.#byId.set(message.id, message);
  }

  /** Where a number stands, or would stand, in the sorted window. */
  #indexOf(number) {
    let low = 0;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.messages[middle].number < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #count(message) {
    const { seq, number, flow } = this.info;
    if (message.changed_seq <= seq && message.number <= number) return;
    this.info = {
      ...this.info,
      seq: Math.max(seq, message.changed_seq),
      number: Math.max(number, message.number),
      flow: Math.max(flow, message.flow),
    };
  }

  #reach(seq) {
    this.cursor = Math.max(this.cursor ?? 0, seq);
  }
}
