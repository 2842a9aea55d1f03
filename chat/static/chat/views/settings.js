/**
 * One's own settings: a list of sections, and the one that is shown. Each section is a module of `settings/` that is
 * loaded when it is opened; what it makes has `element`, and may have `update()` and `destroy()`.
 */

import { h } from "../dom.js";
import { facts } from "../facts.js";
import { t } from "../words.js";

/** @typedef {import("./settings/form.js").Parts} Parts */

/**
 * `isFor`: who has the section at all.
 * @type {Array<{id: string, title: () => string, load: () => Promise<(parts: Parts) => {element: Element}>,
 *   isFor?: (me: any) => boolean}>}
 */
const SECTIONS = [
  { id: "profile", title: () => t("settings.profile"), load: async () => (await import("./settings/profile.js")).profileSection },
  {
    id: "appearance",
    title: () => t("settings.appearance"),
    load: async () => (await import("./settings/appearance.js")).appearanceSection,
  },
  { id: "account", title: () => t("settings.account"), load: async () => (await import("./settings/account.js")).accountSection },
  {
    id: "notifications",
    title: () => t("settings.notifications"),
    load: async () => (await import("./settings/notifications.js")).notificationsSection,
  },
  { id: "security", title: () => t("settings.security"), load: async () => (await import("./settings/security.js")).securitySection },
  { id: "bots", title: () => t("settings.bots"), load: async () => (await import("./settings/bots.js")).botsSection },
  { id: "email", title: () => t("settings.email"), load: async () => (await import("./settings/email.js")).emailSection },
  {
    id: "invites",
    title: () => t("settings.invites"),
    load: async () => (await import("./settings/invites.js")).invitesSection,
    isFor: (me) => me.is_staff || facts().membersInvite,
  },
];

export class Settings {
  name = t("settings");

  /** @param {Parts & {menuButton: Element, section: string}} parts  section: its id, "" for the first */
  constructor({ menuButton, section, ...parts }) {
    this.parts = parts;
    this.content = null;
    this.body = h("div", { class: "settings-body" });
    this.sections = SECTIONS.filter(({ isFor }) => isFor?.(parts.chat.store.me) ?? true);
    this.links = new Map(
      this.sections.map(({ id, title }) => [id, h("a", { class: "place", href: `#/settings/${id}` }, title())]),
    );
    this.element = h(
      "main",
      { class: "settings", id: "main", tabindex: "-1" },
      h("header", { class: "page-head" }, menuButton, h("h1", {}, t("settings"))),
      h(
        "div",
        { class: "settings-columns" },
        h("nav", { class: "settings-list", "aria-label": t("settings") }, ...this.links.values()),
        this.body,
      ),
    );
    this.show(section);
  }

  /** @param {string} section */
  async show(section) {
    const found = this.sections.find(({ id }) => id === section) ?? this.sections[0];
    this.shown = found.id;
    for (const [id, link] of this.links) {
      if (id === found.id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const make = await found.load();
    if (this.shown !== found.id) return;
    // On a phone they stand in one line, of which a part is seen.
    this.links.get(found.id).scrollIntoView({ block: "nearest", inline: "nearest" });
    this.content?.destroy?.();
    this.content = make(this.parts);
    this.body.replaceChildren(h("h2", {}, found.title()), this.content.element);
  }

  update() {
    this.content?.update?.();
  }

  focus() {
    this.element.focus();
  }

  destroy() {
    this.shown = null;
    this.content?.destroy?.();
  }
}
