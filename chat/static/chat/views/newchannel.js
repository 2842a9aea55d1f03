/** The dialog that makes a channel: listed for everybody, or unlisted with a random key that its link carries. */

import { h } from "../dom.js";
import { explain } from "../explain.js";

export class NewChannel {
  /** @param {{chat: import("../client/chat.js").Chat, onCreated: (key: string) => void}} parts */
  constructor({ chat, onCreated }) {
    this.chat = chat;
    this.onCreated = onCreated;
    this.heading = h("h2", { id: "new-channel-heading" });
    this.lead = h("p", { class: "dialog-lead" });
    this.name = h("input", {
      class: "input",
      id: "new-channel-name",
      name: "name",
      maxlength: 80,
      autocomplete: "off",
    });
    this.topic = h("input", {
      class: "input",
      id: "new-channel-topic",
      name: "topic",
      maxlength: 400,
      autocomplete: "off",
    });
    this.error = h("p", { class: "form-error", role: "alert" });
    this.submit = h("button", { class: "button is-primary", type: "submit" }, "Create");
    this.element = h(
      "dialog",
      { class: "dialog", "aria-labelledby": "new-channel-heading" },
      h(
        "form",
        { novalidate: true, on: { submit: (event) => this.#onSubmit(event) } },
        this.heading,
        this.lead,
        h("div", { class: "field" }, h("label", { for: "new-channel-name" }, "Name"), this.name),
        h(
          "div",
          { class: "field" },
          h(
            "label",
            { for: "new-channel-topic" },
            "Topic ",
            h("span", { class: "field-aside" }, "(if there is one)"),
          ),
          this.topic,
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

  /** @param {"public"|"unlisted"} kind */
  open(kind) {
    this.kind = kind;
    const isListed = kind === "public";
    this.heading.textContent = isListed ? "New channel" : "New private channel";
    this.lead.textContent = isListed
      ? "Everybody on this server sees it in the list and may come in."
      : "It stands in no list. Whoever has its link may come in.";
    this.name.value = isListed ? "" : "Private talk";
    this.topic.value = "";
    this.error.textContent = "";
    this.element.showModal();
    this.name.focus();
    this.name.select();
  }

  async #onSubmit(event) {
    event.preventDefault();
    const name = this.name.value.trim();
    this.error.textContent = name === "" ? "Please give it a name." : "";
    if (name === "") return;
    this.submit.disabled = true;
    try {
      const topic = this.topic.value.trim();
      const key = await this.chat.create({ name, kind: this.kind, ...(topic === "" ? {} : { topic }) });
      this.element.close();
      this.onCreated(key);
    } catch (error) {
      this.error.textContent = explain(error);
    } finally {
      this.submit.disabled = false;
    }
  }
}
