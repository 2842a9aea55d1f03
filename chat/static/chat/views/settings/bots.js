/** One's bots: accounts that programs speak with. Make one, give it another token, take the token away, delete it. */

import { h, setText } from "../../dom.js";
import { explain } from "../../explain.js";
import { textInput } from "../formdialog.js";
import { secret } from "../secret.js";
import { settingsForm } from "./form.js";

/** @param {import("./form.js").Parts} parts */
export function botsSection({ chat, toasts }) {
  const list = h("ul", { class: "thing-list" });
  const note = h("p", { class: "settings-lead", role: "status" }, "Loading…");
  const shown = h("div");
  const name = textInput({ id: "bot-name", name: "username", maxlength: "32" });
  const may = h(
    "select",
    { class: "input", id: "bot-scopes" },
    h("option", { value: "write" }, "Read and write"),
    h("option", { value: "read" }, "Read only"),
  );

  function showToken(username, token) {
    shown.replaceChildren(secret({ label: `The token of ${username}.`, value: token, toasts }));
  }

  async function load() {
    try {
      const { results } = await chat.rest("GET", "me/bots");
      list.replaceChildren(...results.map(row));
      setText(note, results.length === 0 ? "You have no bots." : "");
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
    const renew = async () => showToken(bot.username, (await chat.rest("POST", `${path}/token`, {})).token);
    const revoke = async () => {
      await chat.rest("DELETE", `${path}/token`);
      shown.replaceChildren();
    };
    const remove = async () => {
      await chat.rest("DELETE", path);
      shown.replaceChildren();
    };
    const button = (words, ask, question, look = "") =>
      h(
        "button",
        {
          class: `button is-small ${look}`,
          type: "button",
          "aria-label": `${words}: ${bot.username}`,
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
        h("span", { class: "bot-badge" }, "bot"),
        h("span", { class: "thing-note" }, stateOf(bot)),
      ),
      h(
        "div",
        { class: "settings-buttons" },
        button("New token", renew, bot.token && `The token that ${bot.username} has now ends. Make another one?`),
        bot.token && button("Revoke token", revoke, `${bot.username} is silent until it has another token. Revoke it?`),
        button("Delete", remove, `Delete ${bot.username} for good?`, "is-danger"),
      ),
    );
  }

  const element = h(
    "div",
    { class: "settings-section" },
    h(
      "div",
      { class: "settings-form" },
      h("p", {}, "A bot is an account that a program speaks with. It has a token instead of a password."),
      note,
      list,
      shown,
    ),
    settingsForm({
      title: "Make a bot",
      fields: [
        { input: name, label: "Name", hint: "As any account's: everybody sees it." },
        { input: may, label: "What its token is good for" },
      ],
      action: "Make the bot",
      look: "is-primary",
      problem: () => (name.value.trim() === "" ? "Please give it a name." : ""),
      submit: async () => {
        const made = await chat.rest("POST", "me/bots", { username: name.value.trim(), scopes: [may.value] });
        name.value = "";
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
  if (!bot.is_active) return "switched off by staff";
  if (bot.token === null) return "has no token";
  return bot.token.scopes.includes("write") ? "reads and writes" : "reads";
}
