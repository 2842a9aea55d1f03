/** The dialog that opens a direct channel with one person, or a group with several, and finds them by their names. */

import { h } from "../dom.js";
import { explain } from "../explain.js";
import { t } from "../words.js";
import { FormDialog, textInput } from "./formdialog.js";
import { avatarOf, shownName } from "./person.js";

const LEAST_CHARS = 2;
const SHOWN = 6;
const PAUSE_MS = 200;

export class NewMessage {
  /** @param {{chat: import("../client/chat.js").Chat, onDone: (key: string) => void}} parts */
  constructor({ chat, onDone }) {
    this.chat = chat;
    this.onDone = onDone;
    this.names = textInput({ id: "new-message-names", name: "names", autocapitalize: "none", spellcheck: "false" });
    this.names.addEventListener("input", () => this.#searchSoon());
    this.found = h("ul", { class: "people-found", "aria-label": t("panels.people") });
    this.dialog = new FormDialog({
      id: "new-message",
      action: t("panels.open"),
      fields: [{ input: this.names, label: t("panels.usernames"), aside: t("panels.usernames_aside"), below: this.found }],
      problem: () => (this.#written().length === 0 ? t("panels.nobody_named") : ""),
      submit: () => this.#open(),
      explain: (error) => (error.code === "not_found" ? t("panels.nobody_of_that_name") : explain(error)),
    });
    this.element = this.dialog.element;
  }

  open() {
    this.names.value = "";
    this.found.replaceChildren();
    this.dialog.open(t("panels.new_message"), t("panels.new_message_lead"), this.names);
  }

  #written() {
    return this.names.value.split(/[\s,;、，；،؛]+/).filter((name) => name !== "");
  }

  #searchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#search(), PAUSE_MS);
  }

  /** People whose name begins like the one that is being written. */
  async #search() {
    const word = /[^\s,;]*$/.exec(this.names.value)[0];
    if ([...word].length < LEAST_CHARS) return this.found.replaceChildren();
    let people = [];
    try {
      people = await this.chat.searchPeople(word);
    } catch {
      // Names can be written in full, too.
    }
    if (!this.names.value.endsWith(word)) return undefined;
    const others = people.filter(({ username }) => username !== this.chat.store.me.username);
    return this.found.replaceChildren(...others.slice(0, SHOWN).map((person) => this.#choice(person, word)));
  }

  #choice(person, word) {
    const choose = () => {
      this.names.value = `${this.names.value.slice(0, this.names.value.length - word.length)}${person.username} `;
      this.found.replaceChildren();
      this.names.focus();
    };
    return h(
      "li",
      {},
      h(
        "button",
        { class: "person-found", type: "button", on: { click: choose } },
        avatarOf(this.chat.people, person.username, "is-small"),
        h("span", { class: "person-name" }, shownName(person, person.username)),
        h("span", { class: "member-note" }, `@${person.username}`),
      ),
    );
  }

  async #open() {
    const key = await this.chat.openDirect(this.#written());
    this.dialog.close();
    this.onDone(key);
  }
}
