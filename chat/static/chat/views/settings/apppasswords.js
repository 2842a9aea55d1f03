/** App passwords: one for each old client that can't ask for a code. Made by the server, shown once, revoked one by one. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { dayOf } from "../../times.js";
import { t } from "../../words.js";
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
      h("h3", {}, t("settings.app_passwords")),
      h("p", { class: "settings-lead" }, t("settings.no_app_passwords")),
    );
  }
  const list = h("ul", { class: "settings-rows", "aria-label": t("settings.app_passwords") });
  const element = h("div", { class: "settings-part" });

  async function refresh() {
    try {
      list.replaceChildren(...(await chat.rest("GET", PATH)).results.map(row));
    } catch (error) {
      toasts.show(explain(error));
    }
  }

  function row({ id, name, last_used_at: used }) {
    const when = used ? t("settings.last_used", { day: dayOf(new Date(used)) }) : t("settings.never_used");
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
        { class: "button is-small is-danger", type: "button", "aria-label": t("settings.revoke_this", { name }), on: { click: revoke } },
        t("settings.revoke"),
      ),
    );
  }

  function form() {
    const name = textInput({ id: "app-name", name: "name", maxlength: 64 });
    const password = passwordInput("app-password");
    return settingsForm({
      title: t("settings.app_passwords"),
      lead: t("settings.app_passwords_lead"),
      fields: [
        { input: name, label: t("settings.what_for") },
        { input: password, label: t("settings.password") },
      ],
      action: t("settings.make_app_password"),
      problem: () => {
        if (name.value.trim() === "") return t("settings.say_what_for");
        return password.value === "" ? t("settings.no_password") : "";
      },
      submit: async () => made(await chat.rest("POST", PATH, { name: name.value, password: password.value })),
    });
  }

  function made({ name, password }) {
    const shown = shownOnce({
      title: t("settings.app_password_for", { name }),
      lead: t("settings.app_password_once"),
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
