/**
 * What can be done with a message: react, answer in its thread, edit, delete. One toolbar for the whole list, moved to
 * the message that is pointed at, focused or touched.
 */

import { h } from "../dom.js";
import { t, withWords } from "../words.js";
import { threadLink } from "./message.js";

const REACTIONS = ["👍", "❤️", "😄", "🎉", "👀"];

export class Toolbar {
  /**
   * @param {{find: (id: string) => import("../client/types.js").Message|undefined, me: () => string,
   *   onReact: (message: any, emoji: string) => void, onEdit: (message: any, text: string) => Promise<void>,
   *   onDelete: (message: any) => void, onDone: () => void, pinWord: (id: string) => string|false, onPin: (id: string) => Promise<void>, rowOf: (id: string) => HTMLElement|null,
   *   hasThreads: () => boolean|undefined}} parts
   *   pinWord: what its button says, if there is one
   */
  constructor(parts) {
    Object.assign(this, parts);
    /** @type {string|null} the message that is being edited */
    this.editing = null;
    this.item = null;
    this.element = h("div", { class: "toolbar", role: "toolbar", "aria-label": t("panels.message_actions") });
  }

  /** Belong to this list item from now on; null: to none. @param {HTMLElement|null} item */
  attach(item) {
    const message = item?.dataset.id ? this.find(item.dataset.id) : undefined;
    if (!message || message.text === null || this.editing === message.id) return this.detach();
    if (this.element.parentNode === item) return undefined;
    this.item = item;
    this.#drawMain(message);
    item.append(this.element);
    return undefined;
  }

  detach() {
    this.item = null;
    this.element.remove();
  }

  #drawMain(message) {
    const isOwn = message.author === this.me();
    const pin = this.pinWord(message.id);
    this.element.replaceChildren(
      this.#button(t("panels.react"), () => this.#drawReactions(message)),
      ...(this.hasThreads() ? [threadLink(message, t("panels.reply_in_thread"), "tool")] : []),
      ...(pin ? [this.#button(pin, () => this.onPin(message.id).then(() => this.#redraw(message)))] : []),
      ...(isOwn
        ? [
            this.#button(t("edit"), () => this.edit(message.id)),
            this.#button(t("delete"), () => this.#drawDelete(message)),
          ]
        : []),
    );
  }

  #redraw(message) {
    if (this.item?.dataset.id === message.id) this.#drawMain(message);
  }

  #drawReactions(message) {
    const choices = REACTIONS.map((emoji) => {
      const button = this.#button(emoji, () => {
        this.detach();
        this.onReact(message, emoji);
      });
      button.setAttribute("aria-label", t("panels.react_with", { emoji }));
      return button;
    });
    this.element.replaceChildren(...choices);
    choices[0].focus();
  }

  #drawDelete(message) {
    const confirm = this.#button(t("panels.delete_for_all"), () => {
      this.detach();
      this.onDelete(message);
    });
    confirm.classList.add("is-danger");
    const keep = this.#button(t("panels.keep"), () => this.#drawMain(message));
    this.element.replaceChildren(confirm, keep);
    keep.focus();
  }

  #button(words, handler) {
    return h("button", { class: "tool", type: "button", on: { click: handler } }, words);
  }

  /** Put the editing field in the place of a message's text. @param {string} id */
  async edit(id) {
    const here = this.item?.dataset.id === id ? this.item : null;
    const { editForm } = await withWords("panels", import("./editform.js"));
    const message = this.find(id);
    const item = here ?? this.rowOf(id);
    const text = item?.querySelector(".text");
    if (!text || !message || message.text === null) return;
    this.detach();
    this.editing = id;
    const form = editForm({
      text: message.text,
      onSave: (changed) => this.#save(message, changed),
      onCancel: () => this.#finish(),
    });
    text.replaceWith(form);
    form.firstChild.focus();
    form.firstChild.setSelectionRange(message.text.length, message.text.length);
  }

  async #save(message, text) {
    if (text.trim() === "") {
      if (!message.files) return;
      text = "";
    }
    if (text === message.text || (await this.onEdit(message, text))) this.#finish();
  }

  #finish() {
    this.editing = null;
    this.onDone();
  }
}
