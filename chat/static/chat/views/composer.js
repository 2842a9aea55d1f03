/** Where messages are written. Enter sends, Shift+Enter makes a new line, ↑ in an empty field edits the last one. */

import { h, icon, isComposing, setText } from "../dom.js";
import { t, withWords } from "../words.js";

const COUNT_FROM = 0.9;
const MAX_ROWS = 8;

export class Composer {
  /**
   * @param {{onSend: (text: string, files: any[]) => void, openTray: (onChange: () => void) => Promise<any>, onTyping: (on: boolean) => void, onEditLast: () => void,
   *   onDraft: (text: string) => void, draft: string, limit: () => number}} parts
   */
  constructor({ onSend, openTray, onTyping, onEditLast, onDraft, draft, limit }) {
    this.onSend = onSend;
    this.openTray = openTray;
    this.onTyping = onTyping;
    this.onEditLast = onEditLast;
    this.onDraft = onDraft;
    this.limit = limit;
    this.field = h("textarea", {
      class: "composer-field",
      rows: 1,
      "aria-label": t("message"),
      autocomplete: "off",
      dir: "auto",
      value: draft,
      on: {
        input: () => this.#onInput(),
        keydown: (event) => this.#onKey(event),
        paste: (event) => this.#take(event, event.clipboardData),
      },
    });
    this.counter = h("span", { class: "composer-count", role: "status" });
    this.button = h("button", { class: "send-button", type: "submit", "aria-label": t("send") }, icon("send"));
    this.picker = h("input", {
      type: "file",
      multiple: true,
      hidden: true,
      on: { change: (event) => this.#take(event, this.picker) },
    });
    this.help = h(
      "button",
      {
        class: "aid-button",
        type: "button",
        title: t("formatting"),
        "aria-label": t("formatting"),
        "aria-expanded": "false",
        on: { click: () => this.#toggleHelp() },
      },
      "Aa",
    );
    this.note = h("p", { class: "composer-note", hidden: true });
    this.form = h(
      "form",
      {
        class: "composer",
        on: {
          submit: (event) => this.#onSubmit(event),
          dragover: (event) => event.preventDefault(),
          drop: (event) => this.#take(event, event.dataTransfer),
        },
      },
      h(
        "button",
        {
          class: "aid-button",
          type: "button",
          title: t("attach"),
          "aria-label": t("attach"),
          on: { click: () => this.picker.click() },
        },
        icon("plus"),
      ),
      this.field,
      this.counter,
      this.help,
      this.button,
    );
    this.element = h("div", { class: "composer-place" }, this.form, this.picker, this.note);
    this.#fit();
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  /** @param {import("../client/types.js").ChannelInfo} info */
  update(info) {
    const isArchived = info.archived_at !== null;
    this.form.hidden = isArchived;
    this.note.hidden = !isArchived;
    setText(this.note, isArchived ? t("archived") : "");
    this.field.placeholder = t("write_to", { name: info.name });
  }

  /** How words are made bold and the like, above the field. */
  async #toggleHelp() {
    const { formattingHelp } = await withWords("panels", import("./formattinghelp.js"));
    const open = this.element.querySelector(".formatting-help");
    if (open) open.remove();
    else this.element.prepend(formattingHelp());
    this.help.setAttribute("aria-expanded", String(!open));
  }

  #onInput() {
    this.#fit();
    this.onDraft(this.field.value);
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
    if (this.#isEmpty || length(text) > this.limit()) return;
    const files = this.tray?.ready ?? [];
    this.field.value = "";
    this.tray?.clear();
    this.#fit();
    this.onDraft("");
    this.onSend(text.trim() === "" ? "" : text, files);
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
      used > limit * COUNT_FROM ? (isOver ? t("too_many", { count: used - limit }) : t("left", { count: limit - used })) : "",
    );
    this.counter.classList.toggle("is-over", isOver);
    this.button.disabled = isOver || this.#isEmpty;
  }

  /** Nothing to send, or a file is still on its way. */
  get #isEmpty() {
    return this.tray?.isBusy || (this.field.value.trim() === "" && !this.tray?.ready.length);
  }

  /** Files that were chosen, pasted or dropped. */
  async #take(event, source) {
    const files = [...(source?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.picker.value = "";
    this.tray ??= await this.openTray(() => this.#fit());
    this.element.prepend(this.tray.element);
    this.tray.add(files);
  }
}

/** In characters as the server counts them, not in UTF-16 units. */
function length(text) {
  return [...text].length;
}
