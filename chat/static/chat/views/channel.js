/** One channel: its head, its messages, the field to write in, and who is here. */

import { RequestError } from "../client/index.js";
import { h, icon, setText } from "../dom.js";
import { explain } from "../explain.js";
import { typingLine } from "../lines.js";
import { t, withWords } from "../words.js";
import { copyText } from "./clipboard.js";
import { Composer } from "./composer.js";
import { Members } from "./members.js";
import { Messages } from "./messages.js";

export class ChannelView {
  /**
   * @param {{chat: import("../client/chat.js").Chat, key: string, menuButton: Element, toasts: import("./toasts.js").Toasts}} parts
   */
  constructor({ chat, key, menuButton, toasts }) {
    this.chat = chat;
    this.key = key;
    this.toasts = toasts;
    const onProblem = (error) => toasts.show(explain(error));
    this.marks = {
      moderates: () => this.#moderates(chat.store.channel(key).info),
      pins: {
        pinWord: (id) => this.#mayPin && (this.pinned?.has(id) ? t("unpin") : t("pin")),
        onPin: async (id) => (await this.#pins()).toggle(id),
      },
    };
    this.messages = new Messages({ chat, key, onProblem, ...this.marks });
    this.members = new Members({
      people: chat.people,
      onMore: () => chat.loadMembers(key).catch(onProblem),
      onMessage: (username) => this.#message(username),
    });
    this.composer = new Composer({
      draft: chat.places.draft(key),
      onDraft: (text) => chat.places.keepDraft(key, text),
      limit: () => chat.store.limits.text_chars,
      onSend: (text, files) => this.#send(text, files),
      openTray: async (onChange) => new (await withWords("panels", import("./files.js"))).Tray({ chat, onChange }),
      onTyping: (on) => chat.signs.typing(key, on),
      onEditLast: () => this.messages.editLast(),
    });
    this.typing = h("p", { class: "typing", "aria-live": "polite" });
    this.notice = h("div", { class: "notice", role: "status", hidden: true });
    this.element = h(
      "main",
      { class: "channel", id: "main", tabindex: "-1" },
      this.#head(menuButton),
      h(
        "div",
        { class: "conversation" },
        this.notice,
        this.messages.element,
        this.typing,
        this.composer.element,
      ),
      this.members.element,
    );
    this.ticker = setInterval(() => this.#drawTyping(), 1_000);
    this.#enter();
  }

  /** Show the thread of a message beside the others, or none. @param {string} [root] */
  async showThread(root) {
    this.root = root;
    if (root || this.thread) (await withWords("panels", import("./thread.js"))).showThread(this);
  }

  get name() {
    return this.chat.store.channel(this.key)?.info.name ?? t("channel");
  }

  #head(menuButton) {
    this.title = h("h1");
    this.topic = h("p", { class: "topic" });
    this.people = h("button", {
      class: "button is-quiet people-button",
      type: "button",
      "aria-controls": "members",
      "aria-expanded": "false",
      on: { click: () => this.#togglePeople() },
    });
    this.copy = h(
      "button",
      { class: "button is-quiet", type: "button", hidden: true, on: { click: () => this.#copyLink() } },
      icon("link"),
      t("copy_link"),
    );
    this.follow = h(
      "button",
      { class: "button is-quiet", type: "button", hidden: true, on: { click: () => this.#belong("follow") } },
      t("follow"),
    );
    this.pins = h(
      "button",
      { class: "button is-quiet", type: "button", hidden: true, on: { click: async () => (await this.#pins()).open() } },
      t("pins"),
    );
    this.hooks = h(
      "button",
      { class: "button is-quiet", type: "button", hidden: true, on: { click: () => this.#hooks() } },
      t("webhooks"),
    );
    this.leave = h(
      "button",
      { class: "button is-quiet", type: "button", hidden: true, on: { click: () => this.#belong("leave") } },
      t("leave"),
    );
    return h(
      "header",
      { class: "page-head" },
      menuButton,
      h("div", { class: "page-title" }, this.title, this.topic),
      h("div", { class: "page-actions" }, this.copy, this.follow, this.pins, this.hooks, this.leave, this.people),
    );
  }

  focus() {
    // On a touch screen a focused field brings up the keyboard, over what one came to read.
    if (matchMedia("(hover: hover)").matches) this.composer.focus();
    else this.element.focus({ preventScroll: true });
  }

  #enter() {
    this.chat.active = this.key;
    // Without a connection this fails; the hello of the next one enters the shown channel.
    this.chat.enter(this.key).catch(() => {});
    this.update();
  }

  update() {
    const channel = this.chat.store.channel(this.key);
    const problem = this.chat.problems.get(this.key);
    const isThere = channel?.isLoaded ?? false;
    this.notice.hidden = isThere && !problem;
    this.messages.element.hidden = !isThere;
    this.composer.element.hidden = !isThere || problem?.code === "banned";
    this.copy.hidden = !isThere || channel.info.kind !== "unlisted";
    this.follow.hidden = !isThere || channel.info.role !== null;
    this.hooks.hidden = !isThere || !this.#moderates(channel.info);
    this.leave.hidden = this.pins.hidden = !isThere;
    setText(this.leave, channel?.info.kind === "direct" ? t("hide") : t("leave"));
    this.people.hidden = !isThere;
    setText(this.title, channel?.info.name ?? "");
    setText(this.topic, channel?.info.topic ?? "");
    if (problem) this.#drawProblem(problem);
    else if (!isThere) setText(this.notice, this.chat.session.isLive ? t("loading") : "");
    if (!isThere) return;
    if (this.#mayPin && !this.pinned) this.#pins();
    this.people.replaceChildren(
      icon("people"),
      h("span", { "aria-hidden": "true" }, `${channel.memberCount}`),
      h("span", { class: "only-heard" }, t("online_count", { count: channel.memberCount })),
    );
    this.composer.update(channel.info);
    this.members.update(channel, this.chat.store.me.username);
    this.#drawTyping();
    this.messages.redraw();
    this.thread?.update();
  }

  #drawProblem(problem) {
    const isGone = problem.code === "not_found";
    const text = isGone
      ? t("no_channel")
      : explain(problem);
    if (this.shownProblem === problem) return;
    this.shownProblem = problem;
    this.notice.replaceChildren(h("p", {}, text), h("a", { class: "button", href: "#/" }, t("all_channels")));
  }

  #drawTyping() {
    const names = this.chat.store.channel(this.key)?.typists(Date.now()) ?? [];
    setText(this.typing, typingLine(names));
    this.thread?.drawTyping();
  }

  #send(text, files) {
    this.chat.send(this.key, text, files.length > 0 ? { files } : {});
    this.messages.wrote();
  }

  /** Whether the user may do there what moderators do, in a channel that has any. */
  #moderates({ kind, role }) {
    const isDirect = kind === "direct" || kind === "group";
    return !isDirect && (this.chat.store.me.is_staff || role === "owner" || role === "moderator");
  }

  get #mayPin() {
    const info = this.chat.store.channel(this.key)?.info ?? {};
    return info.everybody_pins || ["direct", "group"].includes(info.kind) || this.#moderates(info);
  }

  async #pins() {
    const { Pins } = await withWords("panels", import("./pins.js"));
    const { chat, key, toasts } = this;
    return (this.pinned ??= new Pins({ chat, key, toasts, mayPin: () => this.#mayPin }));
  }

  async #hooks() {
    const { openHooks } = await withWords("settings", import("./hooks.js"));
    openHooks({ chat: this.chat, key: this.key, toasts: this.toasts });
  }

  async #message(username) {
    try {
      location.hash = `#/c/${await this.chat.openDirect([username])}`;
    } catch (error) {
      this.toasts.show(explain(error));
    }
  }

  /** @param {"follow"|"leave"} deed */
  async #belong(deed) {
    try {
      (await withWords("panels", import("./belonging.js")))[deed](this);
    } catch {
      this.toasts.show(explain(new RequestError("offline")));
    }
  }

  async #copyLink() {
    const link = location.href;
    if (await copyText(link, () => window.prompt(t("copy_this_link"), link)))
      this.toasts.show(t("link_copied"));
  }

  #togglePeople() {
    const isOpen = this.element.classList.toggle("shows-people");
    this.people.setAttribute("aria-expanded", String(isOpen));
  }

  /** The page is in sight again, or no longer. @param {boolean} isHidden */
  sight(isHidden) {
    if (isHidden) this.messages.away();
    else this.messages.back();
  }

  destroy() {
    clearInterval(this.ticker);
    this.messages.destroy();
    this.thread?.destroy();
    this.pinned?.destroy();
    if (this.chat.active === this.key) this.chat.active = null;
  }
}
