/** The dialog that opens a direct channel with one person, or a group with several. */

import { h } from "../dom.js";
import { explain } from "../explain.js";

export class NewMessage {
  /** @param {{chat: import("../client/chat.js").Chat, onOpened: (key: string) => void}} parts */
  constructor({ chat, onOpened }) {
    this.chat = chat;
    this.onOpened = onOpened;
    this.names = h("input", {
      class: "input",
      id: "new-message-names",
      name: "names",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
    });
    this.error = h("p", { class: "form-error", role: "alert" });
    this.submit = h("button", { class: "button is-primary", type: "submit" }, "Open");
    this.element = h(
      "dialog",
      { class: "dialog", "aria-labelledby": "new-message-heading" },
      h(
        "form",
        { novalidate: true, on: { submit: (event) => this.#onSubmit(event) } },
        h("h2", { id: "new-message-heading" }, "New message"),
        h("p", { class: "dialog-lead" }, "To one person, or up to seven: nobody else will read it."),
        h(
          "div",
          { class: "field" },
          h(
            "label",
            { for: "new-message-names" },
            "User names ",
            h("span", { class: "field-aside" }, "(with blanks between them)"),
          ),
          this.names,
        ),
        this.error,
        h(
          "div",
          { class: "dialog-buttons" },
          h(
            "button",
            { class: "button", type: "button", on: { click: () => this.element.close() } },
            "Cancel",
          ),
          this.submit,
        ),
      ),
    );
  }

  open() {
    this.names.value = "";
    this.error.textContent = "";
    this.element.showModal();
    this.names.focus();
  }

  async #onSubmit(event) {
    event.preventDefault();
    const names = this.names.value.split(/[\s,;]+/).filter((name) => name !== "");
    this.error.textContent = names.length === 0 ? "Please name somebody." : "";
    if (names.length === 0) return;
    this.submit.disabled = true;
    try {
      const key = await this.chat.openDirect(names);
      this.element.close();
      this.onOpened(key);
    } catch (error) {
      this.error.textContent = error.code === "not_found" ? "There is nobody with that name." : explain(error);
    } finally {
      this.submit.disabled = false;
    }
  }
}
