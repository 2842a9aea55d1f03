/** A dialog that shows a list: a heading, the things in it, a note in their place where there are none. */

import { h, setText } from "../dom.js";
import { explain } from "../explain.js";
import { t } from "../words.js";

export class ListDialog {
  /** @param {{id: string, heading: string, lead?: string, onClose?: () => void}} parts  it is open from now on */
  constructor({ id, heading, lead, onClose }) {
    this.note = h("p", { class: "settings-lead", role: "status" }, t("loading"));
    this.list = h("ul", { class: "thing-list" });
    this.element = h(
      "dialog",
      {
        class: "dialog",
        "aria-labelledby": `${id}-heading`,
        on: { close: () => (this.element.remove(), onClose?.()) },
      },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: `${id}-heading` }, heading),
        lead && h("p", { class: "dialog-lead" }, lead),
        this.note,
        this.list,
        h("div", { class: "dialog-buttons" }, h("button", { class: "button" }, t("close"))),
      ),
    );
    document.body.append(this.element);
    this.element.showModal();
  }

  /** @param {Element[]} rows  @param {string} none  what is said where there are none */
  show(rows, none) {
    this.list.replaceChildren(...rows);
    setText(this.note, rows.length === 0 ? none : "");
  }

  /** @param {any} error */
  fail(error) {
    setText(this.note, explain(error));
  }
}

/** One of its things. @param {string} title  @param {string} note  @param {string} text  of a message  @param {...Element} more */
export function thing(title, note, text, ...more) {
  return h(
    "li",
    { class: "thing" },
    h(
      "p",
      { class: "thing-words" },
      title && h("strong", {}, h("bdi", {}, title)),
      h("span", { class: "thing-note" }, note),
    ),
    ...more,
    h("p", { class: "text thing-text", dir: "auto" }, text),
  );
}
