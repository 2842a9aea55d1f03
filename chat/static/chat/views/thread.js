/** One thread beside its channel: the message that it hangs on, the replies, the field to answer in. Loaded when opened. */

import { frameBatched, h, icon, setText } from "../dom.js";
import { explain } from "../explain.js";
import { typingLine } from "../lines.js";
import { timeline } from "../timeline.js";
import { t, withWords } from "../words.js";
import { Composer } from "./composer.js";
import { Rows } from "./rows.js";

const END_PX = 48;
const RULES = [
  `.thread { display: flex; z-index: 11; grid-area: members; flex-direction: column; min-height: 0;
    border-inline-start: 1px solid var(--line); background: var(--surface); }`,
  ".thread .scroller { flex: 1; }",
  ".thread .switch { padding-bottom: 0; }",
  ".shows-thread { grid-template-columns: minmax(0, 1fr) 26rem; }",
  ".shows-thread .members { display: none; }",
  `@media (max-width: 64rem) { .shows-thread { grid-template-columns: minmax(0, 1fr) 0; }
    .thread { grid-area: conversation; } }`,
];
let isStyled = false;

/** Nobody who opens no thread loads how it looks. */
function style() {
  const sheet = document.styleSheets[document.styleSheets.length - 1];
  if (!isStyled) for (const rule of RULES) sheet.insertRule(rule, sheet.cssRules.length);
  isStyled = true;
}

/**
 * Put the thread that the page of a channel is to show into it, or take out the one that it shows.
 * @param {any} view  the ChannelView; by name it would be a circle
 */
export function showThread(view) {
  const { chat, key, root, toasts, marks } = view;
  if (view.thread?.root === root) return;
  view.thread?.destroy();
  view.thread = root ? new ThreadPanel({ chat, key, root, toasts, ...marks }) : undefined;
  if (view.thread) view.element.append(view.thread.element);
  view.element.classList.toggle("shows-thread", Boolean(root));
}

export class ThreadPanel {
  /**
   * @param {{chat: import("../client/chat.js").Chat, key: string, root: string, toasts: import("./toasts.js").Toasts, moderates: () => boolean, pins: object}} parts
   *   pins: for the toolbar
   */
  constructor({ chat, key, root, toasts, moderates, pins }) {
    Object.assign(this, { chat, key, root, toasts });
    style();
    this.thread = null;
    this.isRefused = false;
    this.isAtEnd = true;
    this.rows = new Rows({
      chat,
      key,
      find: (id) => this.thread?.find(id),
      onProblem: (error) => this.#problem(error),
      moderates,
      hasThreads: () => false,
      inThread: true,
      pins,
    });
    this.element = this.#frame();
    this.update = frameBatched(() => this.#draw());
    this.#open();
  }

  #frame() {
    const button = (words, click) =>
      h("button", { class: "button is-small is-quiet", type: "button", hidden: true, on: { click } }, words);
    this.follow = button("", () => this.#follow());
    this.older = button(t("panels.earlier_replies"), () => this.threads.older(this.thread).catch((error) => this.#problem(error)));
    this.scroller = h("div", { class: "scroller", role: "log", "aria-label": t("panels.thread"), tabindex: "0" }, this.rows.element);
    this.scroller.addEventListener("scroll", () => {
      const { scrollTop, scrollHeight, clientHeight } = this.scroller;
      this.isAtEnd = scrollHeight - scrollTop - clientHeight < END_PX;
      this.#seen();
    });
    this.also = h("input", { type: "checkbox" });
    this.composer = new Composer({
      draft: this.chat.places.draft(this.root),
      onDraft: (text) => this.chat.places.keepDraft(this.root, text),
      limit: () => this.chat.store.limits.text_chars,
      onSend: (text, files) => this.#send(text, files),
      openTray: async (onChange) => new (await withWords("panels", import("./files.js"))).Tray({ chat: this.chat, onChange }),
      onTyping: (on) => this.chat.signs.typing(this.key, on, this.root),
      onEditLast: () => this.rows.editLast(this.thread?.messages ?? []),
    });
    this.composer.field.setAttribute("aria-label", t("panels.reply"));
    this.typing = h("p", { class: "typing", "aria-live": "polite" });
    const close = { class: "icon-button", href: `#/c/${this.key}`, "aria-label": t("panels.close_thread") };
    return h(
      "aside",
      { class: "thread", "aria-label": t("panels.thread") },
      h(
        "header",
        { class: "page-head" },
        h("div", { class: "page-title" }, h("h2", {}, t("panels.thread"))),
        h("div", { class: "page-actions" }, this.older, this.follow, h("a", close, icon("close"))),
      ),
      this.scroller,
      this.typing,
      h("label", { class: "switch composer-place" }, this.also, t("panels.also_in_channel")),
      this.composer.element,
    );
  }

  async #open() {
    this.isOpening = true;
    try {
      this.threads = await this.chat.threads();
      await this.chat.enter(this.key);
      await this.rows.loadFormatting(() => {});
      this.thread = await this.threads.open(this.key, this.root);
      this.#draw();
      this.composer.focus();
    } catch (error) {
      // Where the line was not there, the channel is drawn anew when it is, and the thread is asked for again.
      this.isRefused = !error.isConnection;
      if (this.isRefused) this.#problem(error);
    } finally {
      this.isOpening = false;
    }
  }

  #problem(error) {
    this.toasts.show(explain(error));
  }

  #draw() {
    const { thread, chat } = this;
    const channel = chat.store.channel(this.key);
    if (!thread && !this.isOpening && !this.isRefused) this.#open();
    if (!thread?.isLoaded || !channel) return;
    const me = chat.store.me.username;
    const rows = timeline({
      messages: [thread.first, ...thread.messages],
      unsent: chat.outbox.entries(this.key).filter((unsent) => unsent.thread === this.root),
      me,
      readNumber: Infinity,
      now: new Date(),
    });
    this.rows.draw(rows, me);
    this.older.hidden = !thread.hasOlder;
    this.follow.hidden = false;
    setText(this.follow, thread.isFollowed ? t("unfollow") : t("follow"));
    this.composer.update({ ...channel.info, name: t("panels.the_thread") });
    this.composer.element.hidden = !channel.info.threads;
    if (this.isAtEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#seen();
  }

  /** Who is writing an answer; asked once a second, as nobody tells when that is over. */
  drawTyping() {
    setText(this.typing, typingLine(this.chat.store.channel(this.key)?.typists(Date.now(), this.root) ?? []));
  }

  /** Everything in it is read when one is at the end of it and looks. */
  #seen() {
    const { thread } = this;
    if (!thread?.isLoaded || !this.isAtEnd || document.hidden || thread.newest <= thread.readNumber) return;
    thread.readNumber = thread.newest;
    this.threads.read(this.key, this.root, thread.newest).catch(() => {});
  }

  #send(text, files) {
    this.isAtEnd = true;
    // It is perhaps being read still; then the server says so.
    if (this.thread) this.thread.isFollowed = true;
    this.chat.send(this.key, text, {
      thread: this.root,
      ...(files.length > 0 && { files }),
      ...(this.also.checked && { also_in_channel: true }),
    });
    this.also.checked = false;
  }

  async #follow() {
    try {
      await this.threads.follow(this.key, this.root, !this.thread.isFollowed);
      this.#draw();
    } catch (error) {
      this.#problem(error);
    }
  }

  destroy() {
    this.threads?.close();
    this.element.remove();
  }
}
