/** The webhooks of a channel, for who moderates it: a dialog with those that there are, and a field to make one. */

import { h, setText } from "../dom.js";
import { explain } from "../explain.js";
import { t } from "../words.js";
import { textInput } from "./formdialog.js";
import { secret } from "./secret.js";

/** @param {{chat: import("../client/chat.js").Chat, key: string, toasts: import("./toasts.js").Toasts}} parts */
export function openHooks({ chat, key, toasts }) {
  const path = `channels/${encodeURIComponent(key)}/hooks`;
  const list = h("ul", { class: "thing-list" });
  const note = h("p", { class: "settings-lead", role: "status" }, t("loading"));
  const error = h("p", { class: "form-error", role: "alert" });
  const shown = h("div");
  const name = textInput({ id: "hook-name", name: "name", maxlength: "80", placeholder: "Grafana" });
  const button = h("button", { class: "button is-primary", type: "submit" }, t("settings.make_webhook"));

  async function load() {
    try {
      const { results } = await chat.rest("GET", path);
      list.replaceChildren(...results.map(row));
      setText(note, results.length === 0 ? t("settings.no_webhooks") : "");
    } catch (failure) {
      setText(note, explain(failure));
    }
  }

  async function remove(hook) {
    if (!window.confirm(t("settings.webhook_deletion", { name: hook.name }))) return;
    try {
      await chat.rest("DELETE", `${path}/${hook.id}`);
      shown.replaceChildren();
    } catch (failure) {
      setText(error, explain(failure));
    }
    await load();
  }

  function row(hook) {
    const notes = [
      t("settings.posts_as", { name: hook.username }),
      hook.created_by !== null && t("settings.made_by", { name: hook.created_by }),
      !hook.is_on && t("settings.switched_off"),
    ];
    return h(
      "li",
      { class: "thing" },
      h(
        "p",
        { class: "thing-words" },
        h("strong", {}, hook.name),
        h("span", { class: "thing-note" }, notes.filter(Boolean).join(", ")),
      ),
      h(
        "button",
        {
          class: "button is-small is-danger",
          type: "button",
          "aria-label": t("settings.delete_this", { name: hook.name }),
          on: { click: () => remove(hook) },
        },
        t("delete"),
      ),
    );
  }

  async function make(event) {
    event.preventDefault();
    setText(error, name.value.trim() === "" ? t("settings.no_name") : "");
    if (error.textContent !== "") return;
    button.disabled = true;
    try {
      const made = await chat.rest("POST", path, { name: name.value.trim() });
      name.value = "";
      shown.replaceChildren(secret({ label: t("settings.webhook_address", { name: made.hook.name }), value: made.url, toasts }));
      await load();
    } catch (failure) {
      setText(error, explain(failure));
    } finally {
      button.disabled = false;
    }
  }

  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "hooks-heading", on: { close: () => dialog.remove() } },
    h(
      "form",
      { novalidate: true, on: { submit: make } },
      h("h2", { id: "hooks-heading" }, t("webhooks")),
      h(
        "p",
        { class: "dialog-lead" },
        t("settings.webhooks_lead"),
      ),
      note,
      list,
      shown,
      h("div", { class: "field" }, h("label", { for: "hook-name" }, t("settings.webhook_name")), name),
      error,
      h(
        "div",
        { class: "dialog-buttons" },
        h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, t("close")),
        button,
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  name.focus();
  load();
}
