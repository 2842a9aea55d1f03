/** Where messages are written. Enter sends, Shift+Enter makes a new line, ↑ in an empty field edits the last one. */

import { h, icon, isComposing, setText } from "../dom.js";

const COUNT_FROM = 0.9;
const MAX_ROWS = 8;

export class Composer {
  /**
   * @param {{onSend: (text: string) => void, onTyping: (on: boolean) => void, onEditLast: () => void,
   *   draft: string, limit: () => number}} parts
   */
  constructor({ onSend, onTyping, onEditLast, draft, limit }) {
    this.onSend = onSend;
    this.onTyping = onTyping;
    this.onEditLast = onEditLast;
    this.limit = limit;
    this.field = h("textarea", {
      class: "composer-field",
      rows: 1,
      "aria-label": "Message",
      autocomplete: "off",
      dir: "auto",
      value: draft,
      on: { input: () => this.#onInput(), keydown: (event) => this.#onKey(event) },
    });
    this.counter = h("span", { class: "composer-count", role: "status" });
    this.button = h("button", { class: "send-button", type: "submit", "aria-label": "Send" }, icon("send"));
    this.help = h(
      "button",
      {
        class: "help-button",
        type: "button",
        title: "Formatting",
        "aria-label": "Formatting",
        "aria-expanded": "false",
        on: { click: () => this.#toggleHelp() },
      },
      "Aa",
    );
    this.note = h("p", { class: "composer-note", hidden: true });
    this.form = h(
      "form",
      { class: "composer", on: { submit: (event) => this.#onSubmit(event) } },
      this.field,
      this.counter,
      this.help,
      this.button,
    );
    this.element = h("div", { class: "composer-place" }, this.form, this.note);
    this.#fit();
  }

  get draft() {
    return this.field.value;
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  /** @param {import("../client/types.js").ChannelInfo} info */
  update(info) {
    const isArchived = info.archived_at !== null;
    this.form.hidden = isArchived;
    this.note.hidden = !isArchived;
    setText(
      this.note,
      isArchived ? "This channel is archived. It can be read, but nothing new can be posted." : "",
    );
    this.field.placeholder = `Write to ${info.name}`;
  }

  /** How words are made bold and the like, above the field. */
  async #toggleHelp() {
    const { formattingHelp } = await import("./formattinghelp.js");
    const isOpen = this.element.firstChild !== this.form;
    if (isOpen) this.element.firstChild.remove();
    else this.element.prepend(formattingHelp());
    this.help.setAttribute("aria-expanded", String(!isOpen));
  }

  #onInput() {
    this.#fit();
    this.onTyping(this.field.value.trim() !== "");
  }

  #onKey(event) {
    if (isComposing(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
      this.#onSubmit(event);
    } else if (event.key === "ArrowUp" && this.field.value === "") {
      event.preventDefault();
      this.onEditLast();
    }
  }

  #onSubmit(event) {
    event.preventDefault();
    const text = this.field.value;
    if (text.trim() === "" || length(text) > this.limit()) return;
    this.field.value = "";
    this.#fit();
    this.onSend(text);
    this.focus();
  }

  /** As many rows as there are lines, and the count of characters once it matters. */
  #fit() {
    this.field.rows = Math.min(MAX_ROWS, this.field.value.split("\n").length);
    const used = length(this.field.value);
    const limit = this.limit();
    const isOver = used > limit;
    setText(
      this.counter,
      used > limit * COUNT_FROM ? (isOver ? `${used - limit} too many` : `${limit - used} left`) : "",
    );
    this.counter.classList.toggle("is-over", isOver);
    this.button.disabled = isOver || this.field.value.trim() === "";
  }
}

/** In characters as the server counts them, not in UTF-16 units. */
function length(text) {
  return text.length < 1_000 ? text.length : [...text].length;
}
