/** The side bar: one's channels with what is unread in them, and oneself: name, online or away, settings, log out. */

import { h, icon, keyed, setText } from "../dom.js";
import { t } from "../words.js";
import { avatarOf, plainNameOf, shownName } from "./person.js";

export class Sidebar {
  /** @param {{chat: import("../client/chat.js").Chat, onLogOut: () => void, onNavigate: () => void}} parts */
  constructor({ chat, onLogOut, onNavigate }) {
    this.chat = chat;
    this.list = h("ul", { class: "places" });
    this.avatar = h("span", { class: "me-avatar" });
    this.name = h("span", { class: "me-name" });
    this.away = h("input", {
      type: "checkbox",
      role: "switch",
      on: { change: () => chat.signs.choose(this.away.checked ? "away" : "online") },
    });
    this.settings = h(
      "a",
      { class: "icon-button", href: "#/settings", "aria-label": t("settings"), title: t("settings") },
      icon("gear"),
    );
    this.lobby = h("a", { class: "place is-lobby", href: "#/" }, t("all_channels"));
    this.threads = h("a", { class: "place is-lobby", href: "#/threads" }, t("threads"));
    this.search = h("a", { class: "place is-lobby", href: "#/search" }, t("search"));
    this.element = h(
      "nav",
      {
        class: "sidebar",
        id: "sidebar",
        "aria-label": t("channels"),
        on: { click: (event) => event.target.closest("a") && onNavigate() },
      },
      h("p", { class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Reaktor"),
      this.lobby,
      this.threads,
      this.search,
      h("h2", { class: "sidebar-heading" }, t("your_channels")),
      this.list,
      h(
        "div",
        { class: "me" },
        this.avatar,
        h("div", { class: "me-words" }, this.name, h("label", { class: "switch" }, this.away, t("away"))),
        this.settings,
        h(
          "button",
          { class: "button is-small is-quiet", type: "button", on: { click: onLogOut } },
          t("log_out"),
        ),
      ),
    );
  }

  /** @param {string|null} active  the key of the shown channel; null in the lobby */
  update(active) {
    const { chat } = this;
    const username = chat.store.me?.username ?? "";
    setText(this.name, shownName(username ? chat.people.find(username) : null, username));
    if (this.avatar.dataset.of !== username) this.avatar.replaceChildren(avatarOf(chat.people, username));
    this.avatar.dataset.of = username;
    for (const status of ["online", "away", "offline"])
      this.avatar.firstChild.classList.toggle(`is-${status}`, status === (chat.session.isLive ? chat.signs.status : "offline"));
    this.away.checked = chat.signs.chosen === "away";
    current(this.lobby, active === null);
    current(this.threads, active === "threads/");
    current(this.search, active?.startsWith("search") ?? false);
    current(this.settings, active?.startsWith("settings/") ?? false);
    keyed(this.list, places(chat, active), {
      key: (place) => place.key,
      create: (place) => h("li", {}, h("a", { class: "place", href: `#/c/${place.key}` })),
      update: (item, place) => drawPlace(item.firstChild, place, chat.people),
      same: (one, other) => JSON.stringify(one) === JSON.stringify(other),
    });
  }
}

/**
 * What stands in the side bar: channels one belongs to or is in, then the visited unlisted ones.
 * @param {import("../client/chat.js").Chat} chat
 */
function places(chat, active) {
  const known = [...chat.store.channels.values()]
    .filter(({ key, info, isEntered }) => (info.role !== null && !info.is_hidden) || isEntered || key === active)
    .map(({ key, info, unread, isEntered }) => ({
      key,
      name: info.name,
      isListed: info.kind === "public",
      kind: info.kind,
      isDirect: info.kind === "direct" || info.kind === "group",
      isEntered,
      unread,
      mentions: info.mentions,
      isActive: key === active,
    }));
  const shown = new Set(known.map(({ key }) => key));
  const visited = chat.places
    .visited()
    .filter(({ key }) => !shown.has(key))
    .map(({ key, name }) => ({
      key,
      name,
      isListed: false,
      isDirect: false,
      isEntered: false,
      unread: 0,
      mentions: 0,
      isActive: false,
    }));
  return [...known, ...visited];
}

function drawPlace(link, place, people) {
  current(link, place.isActive);
  link.classList.toggle("is-unread", place.unread > 0);
  link.classList.toggle("is-entered", place.isEntered);
  const parts = [
    place.kind === "direct"
      ? avatarOf(people, place.name, "is-tiny")
      : place.isDirect
      ? icon("people")
      : place.isListed
        ? h("span", { class: "place-mark", "aria-hidden": "true" }, "#")
        : icon("lock"),
    place.kind === "direct"
      ? plainNameOf(people, place.name, "place-name")
      : h("span", { class: "place-name" }, place.name),
  ];
  if (place.mentions > 0)
    parts.push(badge(`@${place.mentions}`, t("mentions", { count: place.mentions }), "is-mention"));
  else if (place.unread > 0)
    parts.push(badge(place.unread > 99 ? "99+" : `${place.unread}`, t("unread", { count: place.unread })));
  link.replaceChildren(...parts);
}

/** A figure for those who look, words for those who listen. */
export function badge(figure, words, kind = "") {
  return h(
    "span",
    { class: `badge ${kind}` },
    h("span", { "aria-hidden": "true" }, figure),
    h("span", { class: "only-heard" }, words),
  );
}

function current(link, isCurrent) {
  if (isCurrent) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}
