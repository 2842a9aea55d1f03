/**
 * The list of messages: keeps to the newest end while one is there, keeps still while one reads above it, and asks
 * for older messages before the top is reached.
 */

import { isAside } from "../client/index.js";
import { frameBatched, h, icon, keyed, setText } from "../dom.js";
import { isSameRow, timeline } from "../timeline.js";
import { count } from "../words.js";
import { drawRow, loadFormatting } from "./message.js";
import { Toolbar } from "./toolbar.js";

const END_PX = 48;
const OLDER_PX = 600;

export class Messages {
  /**
   * @param {{chat: import("../client/chat.js").Chat, key: string, onProblem: (error: any) => void, moderates: () => boolean, pins: object}} parts
   *   pins: for the toolbar
   */
  constructor({ chat, key, onProblem, moderates, pins }) {
    this.chat = chat;
    this.key = key;
    this.isAtEnd = true;
    /** The number above which messages are marked as new; Infinity: none are. null: not decided yet. */
    this.mark = null;
    this.below = 0;
    this.newest = 0;
    const attempt = (promise) =>
      promise.then(
        () => true,
        (error) => (onProblem(error), false),
      );
    const find = (id) => this.channel?.find(id);
    this.actions = {
      me: "",
      people: chat.people,
      showFiles: async (place, files) => (await import("./files.js")).showFiles(place, files, chat),
      onReact: (message, emoji) => attempt(chat.react(find(message.id) ?? message, emoji)),
      moderates,
      onEdits: async (message) => (await import("./edits.js")).openEdits({ chat, message }),
      onRetry: (nonce, confirm) => chat.outbox.retry(key, nonce, confirm),
      onDiscard: (nonce) => chat.outbox.remove(key, nonce),
    };
    this.toolbar = new Toolbar({
      find,
      me: () => this.actions.me,
      onReact: this.actions.onReact,
      onEdit: (message, text) => attempt(chat.edit(key, message.id, text)),
      onDelete: (message) => attempt(chat.remove(key, message.id)),
      onDone: () => this.#finishEdit(),
      hasThreads: () => this.channel?.info.threads,
      ...pins,
    });
    this.top = h("p", { class: "list-top", role: "status" });
    this.list = h("ol", { class: "rows" });
    this.pill = h("button", {
      class: "pill",
      type: "button",
      hidden: true,
      on: { click: () => this.toEnd() },
    });
    this.scroller = h(
      "div",
      { class: "scroller", role: "log", "aria-live": "off", "aria-label": "Messages", tabindex: "0" },
      this.top,
      this.list,
    );
    this.element = h("div", { class: "messages" }, this.scroller, this.pill);
    this.#listen();
    this.redraw = frameBatched(() => this.update());
    this.isDrawnAnew = false;
    // Without it texts are shown as they were typed.
    loadFormatting().then((isNew) => isNew && this.#drawAnew(), () => {});
  }

  get channel() {
    return this.chat.store.channel(this.key);
  }

  #listen() {
    this.scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    const toRow = (event) => this.toolbar.attach(event.target.closest?.(".message") ?? null);
    this.list.addEventListener("pointerover", (event) => event.pointerType === "mouse" && toRow(event));
    this.list.addEventListener(
      "pointerleave",
      () => this.list.contains(document.activeElement) || this.toolbar.detach(),
    );
    this.list.addEventListener("focusin", toRow);
    this.list.addEventListener(
      "click",
      (event) => event.target.closest("button, a, textarea") || toRow(event),
    );
    this.scroller.addEventListener("keydown", (event) => this.#onKey(event));
    this.observer = new ResizeObserver(() => this.isAtEnd && this.toEnd());
    this.observer.observe(this.scroller);
  }

  update() {
    const { channel } = this;
    if (!channel?.isLoaded) return;
    this.actions.me = this.chat.store.me.username;
    this.mark ??= channel.unread > 0 ? channel.info.read_number : Infinity;
    // A reset put another window in the place of the one that was being read.
    if (channel.oldest > this.newest) this.isAtEnd = true;
    if (this.isAtEnd) channel.trim();
    const anchor = this.isAtEnd ? null : this.#anchor();
    this.#draw(channel);
    if (this.isAtEnd) this.toEnd();
    else if (anchor) this.scroller.scrollTop += anchor.row.offsetTop - anchor.at;
    this.#count(channel);
    this.seen();
    this.#olderIfNear();
  }

  #drawAnew() {
    this.isDrawnAnew = true;
    this.redraw();
  }

  #draw(channel) {
    const rows = timeline({
      messages: channel.messages.filter((message) => !isAside(message)),
      unsent: this.chat.outbox.entries(this.key).filter((unsent) => !isAside(unsent)),
      me: this.actions.me,
      readNumber: this.mark,
      now: new Date(),
    });
    keyed(this.list, rows, {
      key: (row) => row.key,
      create: () => h("li"),
      update: (item, row) => {
        // What is being written in the place of a message outlives whatever happens to the message.
        if (row.message && row.message.id === this.toolbar.editing && row.message.text !== null) return;
        const isPointedAt = this.toolbar.item === item;
        drawRow(item, row, this.actions);
        if (isPointedAt) this.toolbar.attach(item);
      },
      same: (one, other) => !this.isDrawnAnew && isSameRow(one, other),
    });
    this.isDrawnAnew = false;
    setText(this.top, channel.hasOlder ? "Earlier messages…" : `This is where ${channel.info.name} begins.`);
  }

  /** The first row in sight and where it stands, so that it can be put there again. */
  #anchor() {
    const top = this.scroller.scrollTop;
    const rows = this.list.children;
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].offsetTop + rows[middle].offsetHeight <= top) low = middle + 1;
      else high = middle;
    }
    return rows[low] ? { row: rows[low], at: rows[low].offsetTop } : null;
  }

  #count(channel) {
    if (this.isAtEnd || this.newest === 0) this.below = 0;
    else
      this.below += channel.messages.filter(
        (message) => message.number > this.newest && message.author !== this.actions.me && !isAside(message),
      ).length;
    this.newest = channel.newest;
    this.pill.hidden = this.isAtEnd;
    this.pill.replaceChildren(icon("down"), this.below > 0 ? count(this.below, "new message") : "Newest");
  }

  /** Everything is read when one is at the end of it and looks. */
  seen() {
    if (this.isAtEnd && !document.hidden) this.chat.signs.read(this.key);
  }

  /** Nobody looks: from now on what comes will be new to whoever looks again. */
  away() {
    if (this.isAtEnd && this.channel?.isLoaded) this.mark = this.channel.newest;
  }

  /** Somebody looks again. If nothing came meanwhile, what comes next is not new but live. */
  back() {
    if (this.mark !== null && this.channel && this.mark >= this.channel.newest) this.mark = Infinity;
    this.redraw();
  }

  /** Whoever writes has seen what was there. */
  wrote() {
    this.mark = Infinity;
    this.toEnd();
  }

  toEnd() {
    this.isAtEnd = true;
    this.below = 0;
    this.pill.hidden = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.seen();
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const wasAtEnd = this.isAtEnd;
    this.isAtEnd = scrollHeight - scrollTop - clientHeight < END_PX;
    if (this.isAtEnd !== wasAtEnd && this.channel) this.#count(this.channel);
    if (this.isAtEnd) this.seen();
    this.#olderIfNear();
  }

  #olderIfNear() {
    const { channel } = this;
    if (!channel?.hasOlder || this.scroller.scrollTop > OLDER_PX) return;
    this.chat.loadOlder(this.key).catch((error) => {
      setText(this.top, "Earlier messages could not be loaded. Scroll to try again.");
      return error;
    });
  }

  #onKey(event) {
    const row = event.target.closest?.(".message");
    if (event.key === "ArrowUp" && event.target === this.scroller) this.list.lastElementChild?.focus();
    else if (row === event.target && event.key === "ArrowUp") sibling(row, "previousElementSibling")?.focus();
    else if (row === event.target && event.key === "ArrowDown") sibling(row, "nextElementSibling")?.focus();
    else return;
    event.preventDefault();
  }

  editLast() {
    const own = this.channel?.messages.findLast(
      (message) => message.author === this.actions.me && message.text !== null && !isAside(message),
    );
    if (own) this.toolbar.edit(own.id);
  }

  #finishEdit() {
    // Draw the message anew: its row still holds the field.
    for (const field of this.list.querySelectorAll(".edit")) {
      const item = field.closest(".message");
      const message = this.channel?.find(item.dataset.id);
      const isGrouped = item.classList.contains("is-grouped");
      const isOwn = item.classList.contains("is-own");
      if (message) drawRow(item, { kind: "message", key: "", message, isGrouped, isOwn }, this.actions);
    }
  }

  destroy() {
    this.observer.disconnect();
  }
}

/** The next message in a direction, over days and marks. */
function sibling(row, direction) {
  let next = row[direction];
  while (next && !next.classList.contains("message")) next = next[direction];
  return next;
}
