/** The dialog that makes a channel: listed for everybody, or unlisted with a random key that its link carries. */

import { explain } from "../explain.js";
import { FormDialog, textInput } from "./formdialog.js";

export class NewChannel {
  /** @param {{chat: import("../client/chat.js").Chat, onDone: (key: string) => void}} parts */
  constructor({ chat, onDone }) {
    this.chat = chat;
    this.onDone = onDone;
    this.name = textInput({ id: "new-channel-name", name: "name", maxlength: 80 });
    this.topic = textInput({ id: "new-channel-topic", name: "topic", maxlength: 400 });
    this.dialog = new FormDialog({
      id: "new-channel",
      action: "Create",
      fields: [
        { input: this.name, label: "Name" },
        { input: this.topic, label: "Topic", aside: "if there is one" },
      ],
      problem: () => (this.name.value.trim() === "" ? "Please give it a name." : ""),
      submit: () => this.#create(),
      explain,
    });
    this.element = this.dialog.element;
  }

  /** @param {"public"|"unlisted"} kind */
  open(kind) {
    this.kind = kind;
    const isListed = kind === "public";
    this.name.value = isListed ? "" : "Private talk";
    this.topic.value = "";
    const lead = isListed
      ? "Everybody on this server sees it in the list and may come in."
      : "It stands in no list. Whoever has its link may come in.";
    this.dialog.open(isListed ? "New channel" : "New private channel", lead, this.name);
  }

  async #create() {
    const topic = this.topic.value.trim();
    const made = { name: this.name.value.trim(), kind: this.kind, ...(topic === "" ? {} : { topic }) };
    const key = await this.chat.create(made);
    this.dialog.close();
    this.onDone(key);
  }
}
