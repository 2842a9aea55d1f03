/** The frame around every page of somebody who is logged in: side bar, banner, the page itself, notes. */

import { frameBatched, h, icon, isComposing } from "../dom.js";
import { Banner } from "./banner.js";
import { ChannelView } from "./channel.js";
import { refresh } from "./person.js";
import { Sidebar } from "./sidebar.js";
import { Toasts } from "./toasts.js";
import { sanctionLine } from "../explain.js";
import { fileNames } from "../lines.js";
import { t, withWords } from "../words.js";

const REFRESH_MS = 60_000;

export class Shell {
  /** @param {{chat: import("../client/chat.js").Chat, onLogOut: () => void}} parts */
  constructor({ chat, onLogOut }) {
    this.chat = chat;
    this.onLogOut = onLogOut;
    this.page = null;
    this.toasts = new Toasts();
    this.banner = new Banner(chat);
    this.sidebar = new Sidebar({ chat, onLogOut, onNavigate: () => this.#menu(false) });
    this.outlet = h("div", { class: "outlet" });
    this.veil = h("div", { class: "veil", on: { click: () => this.#menu(false) } });
    this.element = h(
      "div",
      { class: "shell" },
      h(
        "a",
        { class: "skip", href: "#main", on: { click: (event) => this.#skip(event) } },
        t("skip"),
      ),
      this.sidebar.element,
      this.veil,
      h("div", { class: "page" }, this.banner.element, this.outlet),
      this.toasts.element,
      this.toasts.voice,
    );
    this.element.addEventListener("keydown", (event) => event.key === "Escape" && !isComposing(event) && this.#menu(false));
    this.draw = frameBatched(() => this.update());
    this.people = frameBatched(() => this.#drawPeople());
    this.element.addEventListener("click", (event) => this.#openCard(event));
    this.stops = [
      chat.store.subscribe(() => this.draw()),
      chat.people.subscribe(() => this.people()),
      chat.onState((state) => this.#onState(state)),
      chat.onNews((news) => this.#onNews(news)),
    ];
    this.banner.update(chat.session.state);
    this.ticker = setInterval(() => this.#refresh(), REFRESH_MS);
    // Beside the first page: it is there, too, when somebody wants it without a connection.
    withWords("panels", import("./lobby.js")).catch(() => {});
  }

  /** Show the lobby (null) or a channel, with or without a thread. @param {string|null} key  @param {string} [thread] */
  show(key, thread) {
    if (!this.page || this.shown !== key) {
      this.shown = key;
      if (key === null) return void this.#showLobby();
      const { chat, toasts } = this;
      this.#open((menuButton) => new ChannelView({ chat, key, menuButton, toasts }));
    }
    this.page.showThread?.(thread);
  }

  async #showLobby() {
    const { Lobby } = await withWords("panels", import("./lobby.js"));
    if (this.shown === null) this.#open((menuButton) => new Lobby({ chat: this.chat, menuButton }));
  }

  /** Show the threads that one follows. */
  async showThreads() {
    this.shown = "threads/";
    const { ThreadList } = await withWords("panels", import("./threads.js"));
    if (this.shown === "threads/") this.#open((menuButton) => new ThreadList({ chat: this.chat, menuButton }));
  }

  /** Show one's own settings, which are loaded now. @param {string} section  "": the first one */
  async showSettings(section) {
    const wanted = (this.shown = `settings/${section}`);
    const { Settings } = await withWords("settings", import("./settings.js"));
    if (this.shown !== wanted) return;
    if (this.page instanceof Settings) {
      this.page.show(section);
      this.update();
      return;
    }
    const { chat, toasts, onLogOut } = this;
    this.#open((menuButton) => new Settings({ chat, menuButton, toasts, section, onLogOut }));
  }

  /** Show a search, or where a message stands; loaded now. @param {string} path */
  async showFinding(path) {
    this.shown = path;
    const { pageOf } = await withWords("panels", import("./search.js"));
    if (this.shown === path) this.#open((menuButton) => pageOf(path, { chat: this.chat, menuButton }));
  }

  /** @param {(menuButton: HTMLElement) => any} make  the page, which replaces the one that is shown */
  #open(make) {
    this.page?.destroy();
    const menuButton = h(
      "button",
      {
        class: "icon-button menu-button",
        type: "button",
        "aria-label": t("your_channels"),
        "aria-controls": "sidebar",
        "aria-expanded": "false",
        on: { click: () => this.#menu(true) },
      },
      icon("menu"),
    );
    this.menuButton = menuButton;
    this.page = make(menuButton);
    this.outlet.replaceChildren(this.page.element);
    this.update();
    this.page.focus?.();
  }

  update() {
    this.sidebar.update(this.shown);
    this.page?.update();
    document.title = this.#title();
  }

  #drawPeople() {
    refresh(this.element, this.chat.people);
    this.sidebar.update(this.shown);
  }

  async #openCard(event) {
    const username = event.target.closest("[data-card]")?.dataset.card;
    if (!username) return;
    const { openProfileCard } = await withWords("panels", import("./profilecard.js"));
    openProfileCard({ chat: this.chat, username, onMessage: (key) => (location.hash = `#/c/${key}`) });
  }

  #title() {
    let unread = 0;
    for (const channel of this.chat.store.channels.values()) if (channel.isEntered) unread += channel.unread;
    return `${unread > 0 ? `(${unread}) ` : ""}${this.page?.name ?? ""} · Reaktor`;
  }

  #menu(isOpen) {
    if (this.element.classList.contains("shows-menu") === isOpen) return;
    this.element.classList.toggle("shows-menu", isOpen);
    this.menuButton?.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.sidebar.lobby.focus();
    else this.menuButton?.focus();
  }

  #skip(event) {
    event.preventDefault();
    this.outlet.querySelector("#main")?.focus();
  }

  #onState(state) {
    this.banner.update(state);
    // Who was here when the line broke is only what was true then.
    this.element.classList.toggle("is-offline", state.name !== "live");
    this.draw();
  }

  #onNews({ kind, key, data }) {
    const channel = key === null ? undefined : this.chat.store.channel(key);
    const name = channel?.info.name ?? t("a_channel");
    if (kind === "message" && key === this.shown && data.author !== this.chat.store.me.username && !data.hidden) {
      this.toasts.announce(t("said", { name: data.author, text: data.text || fileNames(data.files) }));
    } else if (kind === "mention" && key !== this.shown) {
      this.toasts.announce(t("mentioned_in", { place: name }));
    } else if (kind === "sanction") {
      this.toasts.show(sanctionLine(data, key === null ? null : name), { stays: data.kind !== "lift" });
    }
  }

  /** The browser's tab is in sight again, or no longer. @param {boolean} isHidden */
  sight(isHidden) {
    this.page?.sight?.(isHidden);
  }

  /** Channels that one belongs to and is not in say nothing by themselves. */
  #refresh() {
    if (this.chat.session.isLive && !document.hidden && this.shown !== null)
      this.chat.list({}).catch(() => {});
  }

  destroy() {
    clearInterval(this.ticker);
    for (const stop of this.stops) stop();
    this.banner.destroy();
    this.page?.destroy();
    // What is being loaded is not shown any more.
    this.shown = undefined;
  }
}
