/** The dialog that opens a direct channel with one person, or a group with several. */

import { explain } from "../explain.js";
import { FormDialog, textInput } from "./formdialog.js";

export class NewMessage {
  /** @param {{chat: import("../client/chat.js").Chat, onOpened: (key: string) => void}} parts */
  constructor({ chat, onOpened }) {
    this.chat = chat;
    this.onOpened = onOpened;
    this.names = textInput({ id: "new-message-names", name: "names", autocapitalize: "none", spellcheck: "false" });
    this.dialog = new FormDialog({
      id: "new-message",
      action: "Open",
      fields: [{ input: this.names, label: "User names", aside: "with blanks between them" }],
      problem: () => (this.#written().length === 0 ? "Please name somebody." : ""),
      submit: () => this.#open(),
      explain: (error) => (error.code === "not_found" ? "There is nobody with that name." : explain(error)),
    });
    this.element = this.dialog.element;
  }

  open() {
    this.names.value = "";
    this.dialog.open("New message", "To one person, or up to seven: nobody else will read it.", this.names);
  }

  #written() {
    return this.names.value.split(/[\s,;、，；،؛]+/).filter((name) => name !== "");
  }

  async #open() {
    const key = await this.chat.openDirect(this.#written());
    this.dialog.close();
    this.onOpened(key);
  }
}
