/** The threads that one follows, newest activity first. Loaded when opened. */

import { h, setText } from "../dom.js";
import { explain } from "../explain.js";
import { fileNames } from "../lines.js";
import { t } from "../words.js";
import { repliesOf } from "./message.js";
import { nameOf } from "./person.js";
import { badge } from "./sidebar.js";

export class ThreadList {
  name = t("threads");

  /** @param {{chat: import("../client/chat.js").Chat, menuButton: Element}} parts */
  constructor({ chat, menuButton }) {
    this.chat = chat;
    this.next = undefined;
    this.list = h("ul", { class: "channel-list" });
    this.note = h("p", { class: "lobby-note", role: "status" }, t("loading"));
    const click = () => this.#load();
    this.more = h("button", { class: "button", type: "button", hidden: true, on: { click } }, t("show_more"));
    this.element = h(
      "main",
      { class: "lobby", id: "main", tabindex: "-1" },
      h("header", { class: "page-head" }, menuButton, h("div", { class: "page-title" }, h("h1", {}, t("threads")))),
      h("div", { class: "lobby-body" }, this.note, this.list, this.more),
    );
    this.#load();
  }

  async #load() {
    this.more.hidden = true;
    try {
      const threads = await this.chat.threads();
      const { results, next } = await threads.list(this.next);
      this.next = next;
      this.list.append(...results.map((thread) => this.#row(thread)));
      this.more.hidden = next === null;
      this.note.hidden = this.list.childElementCount > 0;
      setText(this.note, t("panels.no_threads"));
    } catch (error) {
      setText(this.note, explain(error));
      this.note.hidden = false;
    }
  }

  /** @param {import("../client/types.js").Thread} thread */
  #row({ channel, root, unread }) {
    const said = root.text === null ? t("deleted") : root.text || fileNames(root.files);
    const text = root.hidden ? t("hidden") : said;
    const name = this.chat.store.channel(channel)?.info.name ?? channel;
    return h(
      "li",
      {},
      h(
        "a",
        { class: "channel-row", href: `#/c/${channel}/t/${root.id}` },
        h("span", { class: "channel-words" },
          h("span", { class: "channel-name" }, nameOf(this.chat.people, root.author, "author"), ` · ${name}`),
          h("span", { class: "channel-topic" }, text.slice(0, 200))), // prettier-ignore
        h("span", { class: "channel-count" }, repliesOf(root)),
        unread > 0 && badge(unread > 99 ? "99+" : `${unread}`, t("unread", { count: unread })),
      ),
    );
  }

  focus() {
    this.element.focus({ preventScroll: true });
  }

  update() {}

  destroy() {}
}
