/** The lobby: every listed channel with how many are in it now, a search, and the ways to make a new one. */

import { h, icon, keyed, setText } from "../dom.js";
import { explain } from "../explain.js";
import { t, withWords } from "../words.js";
import { badge } from "./sidebar.js";

const REFRESH_MS = 15_000;
const SEARCH_PAUSE_MS = 250;

export class Lobby {
  name = t("all_channels");

  /** @param {{chat: import("../client/chat.js").Chat, onMenu: () => void, menuButton: Element}} parts */
  constructor({ chat, menuButton }) {
    this.chat = chat;
    this.keys = [];
    this.next = null;
    this.asked = 0;
    /** @type {Map<any, any>} the dialogs that were wanted, by their class */
    this.dialogs = new Map();
    this.search = h("input", {
      class: "input",
      type: "search",
      id: "lobby-search",
      placeholder: t("panels.search_channels"),
      autocomplete: "off",
      "aria-label": t("panels.search_channels"),
      on: { input: () => this.#searchSoon() },
    });
    this.list = h("ul", { class: "channel-list" });
    this.note = h("p", { class: "lobby-note", role: "status" });
    this.more = h(
      "button",
      { class: "button", type: "button", hidden: true, on: { click: () => this.#load(this.next) } },
      t("show_more"),
    );
    this.element = h(
      "main",
      { class: "lobby", id: "main", tabindex: "-1" },
      h(
        "header",
        { class: "page-head" },
        menuButton,
        h("h1", {}, t("channels")),
        h(
          "div",
          { class: "page-actions" },
          h(
            "button",
            { class: "button", type: "button", on: { click: () => this.#newMessage() } },
            icon("people"),
            t("panels.new_message"),
          ),
          this.#button("lock", t("panels.unlisted_channel"), "unlisted"),
          this.#button("plus", t("panels.new_channel"), "public", "is-primary"),
        ),
      ),
      h("div", { class: "lobby-body" }, this.search, this.list, this.note, this.more),
    );
    this.ticker = setInterval(() => document.hidden || this.#refresh(), REFRESH_MS);
    this.stopListening = chat.onState((state) => state.name === "live" && this.#refresh());
    this.#refresh();
  }

  async #newMessage() {
    const { NewMessage } = await import("./newmessage.js");
    this.#dialog(NewMessage).open();
  }

  /** @param {"public"|"unlisted"} kind */
  async #newChannel(kind) {
    const { NewChannel } = await import("./newchannel.js");
    this.#dialog(NewChannel).open(kind);
  }

  #dialog(Dialog) {
    if (!this.dialogs.has(Dialog)) {
      const made = new Dialog({ chat: this.chat, onDone: (key) => (location.hash = `#/c/${key}`) });
      this.dialogs.set(Dialog, made);
      this.element.append(made.element);
    }
    return this.dialogs.get(Dialog);
  }

  #button(drawing, words, kind, look = "") {
    const open = () => this.#newChannel(kind);
    return h(
      "button",
      { class: `button ${look}`, type: "button", on: { click: open } },
      icon(drawing),
      words,
    );
  }

  update() {
    const { store } = this.chat;
    const wanted = this.search.value.trim().toLowerCase();
    const created = [...store.channels.values()].filter(
      ({ key, info }) =>
        info.kind === "public" && info.archived_at === null && this.next === null && !this.keys.includes(key),
    );
    const shown = [...this.keys.map((key) => store.channel(key)).filter(Boolean), ...created]
      .filter(({ info }) => info.name.toLowerCase().includes(wanted))
      .map((channel) => ({
        key: channel.key,
        info: channel.info,
        online: channel.memberCount,
        unread: channel.unread,
      }));
    keyed(this.list, shown, {
      key: (row) => row.key,
      create: (row) => h("li", {}, h("a", { class: "channel-row", href: `#/c/${row.key}` })),
      update: (item, row) => drawRow(item.firstChild, row),
      same: (one, other) =>
        one.info === other.info && one.online === other.online && one.unread === other.unread,
    });
    this.more.hidden = this.next === null;
    if (shown.length > 0) setText(this.note, "");
    else if (!this.chat.session.isLive)
      setText(this.note, t("panels.list_later"));
    else if (wanted && this.next !== null) setText(this.note, t("panels.none_of_oldest"));
    else setText(this.note, wanted ? t("panels.none_like_that") : "");
  }

  #searchSoon() {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.#refresh(), SEARCH_PAUSE_MS);
    this.update();
  }

  #refresh() {
    return this.#load(null);
  }

  /** Ask for a page; with a cursor it is put behind what is shown, without one it replaces it. */
  async #load(cursor) {
    if (!this.chat.session.isLive) return this.update();
    const asked = ++this.asked;
    const search = this.search.value.trim();
    try {
      const page = await this.chat.list({ ...(search ? { search } : {}), ...(cursor ? { cursor } : {}) });
      // A later question was asked meanwhile: its answer counts.
      if (asked !== this.asked) return;
      this.keys = cursor ? [...this.keys, ...page.keys] : page.keys;
      this.next = page.next;
      this.update();
    } catch (error) {
      if (!error.isConnection) setText(this.note, explain(error));
    }
  }

  destroy() {
    clearInterval(this.ticker);
    clearTimeout(this.pause);
    this.stopListening();
  }
}

function drawRow(link, { info, online, unread }) {
  const marks = [];
  if (info.mentions > 0)
    marks.push(badge(`@${info.mentions}`, t("mentions", { count: info.mentions }), "is-mention"));
  if (unread > 0) marks.push(badge(t("panels.new_count", { count: unread }), ""));
  link.replaceChildren(
    h(
      "span",
      { class: "channel-words" },
      h(
        "span",
        { class: "channel-name" },
        h("span", { class: "place-mark", "aria-hidden": "true" }, "#"),
        info.name,
      ),
      info.topic ? h("span", { class: "channel-topic" }, info.topic) : null,
    ),
    h("span", { class: "channel-marks" }, ...marks),
    h(
      "span",
      { class: online > 0 ? "presence is-online" : "presence" },
      t("online_count", { count: online }),
    ),
  );
}
