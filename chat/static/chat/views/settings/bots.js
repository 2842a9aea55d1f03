/** One's bots: accounts that programs speak with. Make one, give it another token, take the token away, delete it. */

import { h, setText } from "../../dom.js";
import { explain } from "../../explain.js";
import { t } from "../../words.js";
import { textInput } from "../formdialog.js";
import { secret } from "../secret.js";
import { settingsForm } from "./form.js";

/** @param {import("./form.js").Parts} parts */
export function botsSection({ chat, toasts }) {
  const list = h("ul", { class: "thing-list" });
  const note = h("p", { class: "settings-lead", role: "status" }, t("loading"));
  const shown = h("div");
  const field = textInput({ id: "bot-name", name: "username", maxlength: "32" });
  const may = h(
    "select",
    { class: "input", id: "bot-scopes" },
    h("option", { value: "write" }, t("settings.read_and_write")),
    h("option", { value: "read" }, t("settings.read_only")),
  );

  function showToken(username, token) {
    shown.replaceChildren(secret({ label: t("settings.token_of", { name: username }), value: token, toasts }));
  }

  async function load() {
    try {
      const { results } = await chat.rest("GET", "me/bots");
      list.replaceChildren(...results.map(row));
      setText(note, results.length === 0 ? t("settings.no_bots") : "");
    } catch (error) {
      setText(note, explain(error));
    }
  }

  async function act(ask, question) {
    if (question && !window.confirm(question)) return;
    try {
      await ask();
    } catch (error) {
      toasts.show(explain(error));
    }
    await load();
  }

  function row(bot) {
    const path = `me/bots/${bot.id}`;
    const name = bot.username;
    const renew = async () => showToken(bot.username, (await chat.rest("POST", `${path}/token`, {})).token);
    const revoke = async () => {
      await chat.rest("DELETE", `${path}/token`);
      shown.replaceChildren();
    };
    const remove = async () => {
      await chat.rest("DELETE", path);
      shown.replaceChildren();
    };
    const button = (words, label, ask, question, look = "") =>
      h(
        "button",
        {
          class: `button is-small ${look}`,
          type: "button",
          "aria-label": label,
          on: { click: () => act(ask, question) },
        },
        words,
      );
    return h(
      "li",
      { class: "thing" },
      h(
        "p",
        { class: "thing-words" },
        h("strong", {}, bot.username),
        h("span", { class: "bot-badge" }, t("bot")),
        h("span", { class: "thing-note" }, stateOf(bot)),
      ),
      h(
        "div",
        { class: "settings-buttons" },
        button(
          t("settings.new_token"),
          t("settings.new_token_for", { name }),
          renew,
          bot.token && t("settings.new_token_question", { name }),
        ),
        bot.token &&
          button(
            t("settings.revoke_token"),
            t("settings.revoke_token_of", { name }),
            revoke,
            t("settings.revoke_token_question", { name }),
          ),
        button(
          t("delete"),
          t("settings.delete_this", { name }),
          remove,
          t("settings.delete_bot_question", { name }),
          "is-danger",
        ),
      ),
    );
  }

  const element = h(
    "div",
    { class: "settings-section" },
    h(
      "div",
      { class: "settings-form" },
      h("p", {}, t("settings.bots_lead")),
      note,
      list,
      shown,
    ),
    settingsForm({
      title: t("settings.make_bot"),
      fields: [
        { input: field, label: t("settings.username"), hint: t("settings.bot_name_hint") },
        { input: may, label: t("settings.token_good_for") },
      ],
      action: t("settings.make_the_bot"),
      look: "is-primary",
      problem: () => (field.value.trim() === "" ? t("settings.no_username") : ""),
      submit: async () => {
        const made = await chat.rest("POST", "me/bots", { username: field.value.trim(), scopes: [may.value] });
        field.value = "";
        showToken(made.bot.username, made.token);
        await load();
        shown.scrollIntoView({ block: "nearest" });
      },
    }),
  );
  load();
  return { element };
}

function stateOf(bot) {
  if (!bot.is_active) return t("settings.bot_off");
  if (bot.token === null) return t("settings.bot_no_token");
  return bot.token.scopes.includes("write") ? t("settings.bot_writes") : t("settings.bot_reads");
}
