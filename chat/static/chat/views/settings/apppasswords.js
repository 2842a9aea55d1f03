/** App passwords: one for each old client that can't ask for a code. Made by the server, shown once, revoked one by one. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { dayOf } from "../../words.js";
import { textInput } from "../formdialog.js";
import { passwordInput } from "./fields.js";
import { settingsForm } from "./form.js";
import { shownOnce } from "./once.js";

const PATH = "me/app-passwords";

/** @param {import("./form.js").Parts} parts @returns {HTMLElement} */
export function appPasswords({ chat, toasts }) {
  if (chat.store.me.is_staff) {
    return h(
      "section",
      { class: "settings-form" },
      h("h3", {}, "App passwords"),
      h("p", { class: "settings-lead" }, "Staff have none: an old client would be all that guards their rights."),
    );
  }
  const list = h("ul", { class: "settings-rows", "aria-label": "App passwords" });
  const element = h("div", { class: "settings-part" });

  async function refresh() {
    try {
      list.replaceChildren(...(await chat.rest("GET", PATH)).results.map(row));
    } catch (error) {
      toasts.show(explain(error));
    }
  }

  function row({ id, name, last_used_at: used }) {
    const when = used ? `last used: ${dayOf(new Date(used), new Date())}` : "never used";
    const revoke = async () => {
      try {
        await chat.rest("DELETE", `${PATH}/${id}`);
      } catch (error) {
        toasts.show(explain(error));
      }
      await refresh();
    };
    return h(
      "li",
      {},
      h("span", {}, h("strong", {}, name), " ", h("span", { class: "settings-aside" }, when)),
      h(
        "button",
        { class: "button is-small is-danger", type: "button", "aria-label": `Revoke ${name}`, on: { click: revoke } },
        "Revoke",
      ),
    );
  }

  function form() {
    const name = textInput({ id: "app-name", name: "name", maxlength: 64 });
    const password = passwordInput("app-password");
    return settingsForm({
      title: "App passwords",
      lead: "For an older client that can't ask for a code. Give each its own: you can take it away again.",
      fields: [
        { input: name, label: "What it is for" },
        { input: password, label: "Password" },
      ],
      action: "Make an app password",
      problem: () => {
        if (name.value.trim() === "") return "Please say what it is for.";
        return password.value === "" ? "Please enter your password." : "";
      },
      submit: async () => made(await chat.rest("POST", PATH, { name: name.value, password: password.value })),
    });
  }

  function made({ name, password }) {
    const shown = shownOnce({
      title: `App password for ${name}`,
      lead: "Type it in there in the place of your password. It is shown now and never again.",
      lines: [password],
      onDone: () => element.replaceChildren(form(), list),
    });
    element.replaceChildren(shown, list);
    shown.querySelector("h3").focus();
    refresh();
  }

  element.replaceChildren(form(), list);
  refresh();
  return element;
}
