/**
 * What can be done with a message: react, edit, delete. One toolbar for the whole list, moved to the message that is
 * pointed at, focused or touched; and the field in which a message is edited, in the message's own place.
 */

import { h, isComposing } from "../dom.js";

const REACTIONS = ["👍", "❤️", "😄", "🎉", "👀"];

export class Toolbar {
  /**
   * @param {{find: (id: string) => import("../client/types.js").Message|undefined, me: () => string,
   *   onReact: (message: any, emoji: string) => void, onEdit: (message: any, text: string) => Promise<void>,
   *   onDelete: (message: any) => void, onDone: () => void, pinWord: (id: string) => string|false, onPin: (id: string) => Promise<void>}} parts
   *   pinWord: what its button says, if there is one
   */
  constructor(parts) {
    Object.assign(this, parts);
    /** @type {string|null} the message that is being edited */
    this.editing = null;
    this.item = null;
    this.element = h("div", { class: "toolbar", role: "toolbar", "aria-label": "Message actions" });
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
      this.#button("React", () => this.#drawReactions(message)),
      ...(pin ? [this.#button(pin, () => this.onPin(message.id).then(() => this.#redraw(message)))] : []),
      ...(isOwn
        ? [
            this.#button("Edit", () => this.edit(message.id)),
            this.#button("Delete", () => this.#drawDelete(message)),
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
      button.setAttribute("aria-label", `React with ${emoji}`);
      return button;
    });
    this.element.replaceChildren(...choices);
    choices[0].focus();
  }

  #drawDelete(message) {
    const confirm = this.#button("Delete for everybody", () => {
      this.detach();
      this.onDelete(message);
    });
    confirm.classList.add("is-danger");
    const keep = this.#button("Keep", () => this.#drawMain(message));
    this.element.replaceChildren(confirm, keep);
    keep.focus();
  }

  #button(words, handler) {
    return h("button", { class: "tool", type: "button", on: { click: handler } }, words);
  }

  /** Put the editing field in the place of a message's text. @param {string} id */
  edit(id) {
    const message = this.find(id);
    const item = document.querySelector(`.message[data-id="${CSS.escape(id)}"]`);
    if (!message || message.text === null || !item) return;
    this.detach();
    this.editing = id;
    const field = h("textarea", {
      class: "input edit-field",
      "aria-label": "Edit message",
      dir: "auto",
      rows: Math.min(8, message.text.split("\n").length),
      value: message.text,
    });
    const save = h("button", { class: "button is-small is-primary", type: "submit" }, "Save");
    const cancel = h(
      "button",
      { class: "button is-small", type: "button", on: { click: () => this.#finish() } },
      "Cancel",
    );
    const form = h(
      "form",
      {
        class: "edit",
        on: { submit: (event) => (event.preventDefault(), this.#save(message, field.value)) },
      },
      field,
      h("div", { class: "edit-buttons" }, save, cancel),
    );
    field.addEventListener("keydown", (event) => {
      if (isComposing(event)) return;
      if (event.key === "Escape") this.#finish();
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        this.#save(message, field.value);
      }
    });
    item.querySelector(".text").replaceWith(form);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  async #save(message, text) {
    if (text.trim() === "") return;
    if (text === message.text || (await this.onEdit(message, text))) this.#finish();
  }

  #finish() {
    this.editing = null;
    this.onDone();
  }
}
