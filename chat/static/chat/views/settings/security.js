/** Who can get into the account: its password, the second factor, app passwords, and where one is logged in. */

import { h } from "../../dom.js";
import { t } from "../../words.js";
import { textInput } from "../formdialog.js";
import { appPasswords } from "./apppasswords.js";
import { passwordInput } from "./fields.js";
import { settingsForm } from "./form.js";
import { secondFactor } from "./secondfactor.js";
import { sessions } from "./sessions.js";

const SHORTEST_PASSWORD = 8;

/** @param {import("./form.js").Parts} parts */
export function securitySection(parts) {
  return {
    element: h(
      "div",
      { class: "settings-section" },
      secondFactor(parts),
      sessions(parts),
      appPasswords(parts),
      passwordChange(parts),
    ),
  };
}

function passwordChange({ chat, onLogOut }) {
  const old = passwordInput("password-old");
  const fresh = textInput({
    id: "password-new",
    name: "new",
    type: "password",
    autocomplete: "new-password",
  });
  return settingsForm({
    title: t("settings.password"),
    lead: t("settings.change_password_lead"),
    fields: [
      { input: old, label: t("settings.password_now") },
      { input: fresh, label: t("settings.new_password"), hint: t("settings.password_hint", { count: SHORTEST_PASSWORD }) },
    ],
    action: t("settings.change_password"),
    problem: () => {
      if (old.value === "") return t("settings.no_password_now");
      return fresh.value.length < SHORTEST_PASSWORD ? t("settings.short_password", { count: SHORTEST_PASSWORD }) : "";
    },
    submit: async () => {
      await chat.rest("POST", "me/password", { old: old.value, new: fresh.value });
      onLogOut();
    },
  });
}
