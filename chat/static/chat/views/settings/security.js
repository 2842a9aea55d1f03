/** Who can get into the account: its password, the second factor, app passwords, and where one is logged in. */

import { h } from "../../dom.js";
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
    title: "Password",
    lead: "You are logged out everywhere, here too. App passwords end; the second factor stays.",
    fields: [
      { input: old, label: "Password now" },
      { input: fresh, label: "New password", hint: `At least ${SHORTEST_PASSWORD} characters.` },
    ],
    action: "Change the password",
    problem: () => {
      if (old.value === "") return "Please enter the password that you have now.";
      return fresh.value.length < SHORTEST_PASSWORD ? `It needs at least ${SHORTEST_PASSWORD} characters.` : "";
    },
    submit: async () => {
      await chat.rest("POST", "me/password", { old: old.value, new: fresh.value });
      onLogOut();
    },
  });
}
