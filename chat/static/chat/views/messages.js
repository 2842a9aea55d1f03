/**
 * The list of messages: keeps to the newest end while one is there, keeps still while one reads above it, and asks
 * for older messages before the top is reached.
 */

import { isAside } from "../client/index.js";
import { frameBatched, h, icon, setText } from "../dom.js";
import { timeline } from "../timeline.js";
import { t } from "../words.js";
import { Rows } from "./rows.js";

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
    this.rows = new Rows({
      chat,
      key,
      find: (id) => this.channel?.find(id),
      onProblem,
      moderates,
      hasThreads: () => this.channel?.info.threads,
      pins,
    });
    this.top = h("p", { class: "list-top", role: "status" });
    this.pill = h("button", {
      class: "pill",
      type: "button",
      hidden: true,
      on: { click: () => this.toEnd() },
    });
    this.scroller = h(
      "div",
      { class: "scroller", role: "log", "aria-live": "off", "aria-label": t("messages"), tabindex: "0" },
      this.top,
      this.rows.element,
    );
    this.element = h("div", { class: "messages" }, this.scroller, this.pill);
    this.#listen();
    this.redraw = frameBatched(() => this.update());
    this.rows.loadFormatting(this.redraw);
  }

  get channel() {
    return this.chat.store.channel(this.key);
  }

  get #me() {
    return this.chat.store.me.username;
  }

  #listen() {
    this.scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.#onKey(event));
    this.observer = new ResizeObserver(() => this.isAtEnd && this.toEnd());
    this.observer.observe(this.scroller);
  }

  update() {
    const { channel } = this;
    if (!channel?.isLoaded) return;
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

  #draw(channel) {
    const me = this.#me;
    const rows = timeline({
      messages: channel.messages.filter((message) => !isAside(message)),
      unsent: this.chat.outbox.entries(this.key).filter((unsent) => !isAside(unsent)),
      me,
      readNumber: this.mark,
      now: new Date(),
    });
    this.rows.draw(rows, me);
    setText(this.top, channel.hasOlder ? t("earlier_messages") : t("begins", { name: channel.info.name }));
  }

  /** The first row in sight and where it stands, so that it can be put there again. */
  #anchor() {
    const top = this.scroller.scrollTop;
    const rows = this.rows.element.children;
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
        (message) => message.number > this.newest && message.author !== this.#me && !isAside(message),
      ).length;
    this.newest = channel.newest;
    this.pill.hidden = this.isAtEnd;
    this.pill.replaceChildren(icon("down"), this.below > 0 ? t("new_messages", { count: this.below }) : t("newest"));
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
      setText(this.top, t("errors.earlier_failed"));
      return error;
    });
  }

  /** From the list itself into it. */
  #onKey(event) {
    if (event.key !== "ArrowUp" || event.target !== this.scroller) return;
    this.rows.element.lastElementChild?.focus();
    event.preventDefault();
  }

  editLast() {
    this.rows.editLast(this.channel?.messages.filter((message) => !isAside(message)) ?? []);
  }

  destroy() {
    this.observer.disconnect();
  }
}
