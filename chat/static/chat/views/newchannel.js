/** The dialog that makes a channel: listed for everybody, or unlisted with a random key that its link carries. */

import { explain } from "../explain.js";
import { t } from "../words.js";
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
      action: t("panels.create"),
      fields: [
        { input: this.name, label: t("panels.name") },
        { input: this.topic, label: t("panels.topic"), aside: t("panels.topic_aside") },
      ],
      problem: () => (this.name.value.trim() === "" ? t("panels.no_name") : ""),
      submit: () => this.#create(),
      explain,
    });
    this.element = this.dialog.element;
  }

  /** @param {"public"|"unlisted"} kind */
  open(kind) {
    this.kind = kind;
    const isListed = kind === "public";
    this.name.value = isListed ? "" : t("panels.unlisted_name");
    this.topic.value = "";
    const lead = isListed
      ? t("panels.public_lead")
      : t("panels.unlisted_lead");
    this.dialog.open(isListed ? t("panels.new_channel") : t("panels.new_unlisted_channel"), lead, this.name);
  }

  async #create() {
    const topic = this.topic.value.trim();
    const made = { name: this.name.value.trim(), kind: this.kind, ...(topic === "" ? {} : { topic }) };
    const key = await this.chat.create(made);
    this.dialog.close();
    this.onDone(key);
  }
}
