/** The e-mail address of the account: which one counts, another one, none. */

import { h } from "../../dom.js";
import { facts } from "../../facts.js";
import { t } from "../../words.js";
import { textInput } from "../formdialog.js";
import { settingsForm } from "./form.js";

/** @param {import("./form.js").Parts} parts */
export function emailSection({ chat }) {
  const state = h("p", { class: "settings-lead", role: "status" });
  const element = h("div", { class: "settings-section" }, state);
  if (!facts().sendsMail) {
    state.textContent = t("settings.no_mail");
    return { element };
  }
  const removal = removeForm(chat, () => show());
  const show = async () => {
    const me = await chat.rest("GET", "me");
    state.textContent = line(me);
    removal.hidden = facts().needsEmail || (me.email ?? me.email_pending) === null;
  };
  removal.hidden = true;
  show().catch(() => (state.textContent = ""));
  element.append(changeForm(chat, show), removal);
  return { element };
}

/** What is so now, in a sentence. */
function line({ email, email_pending: pending }) {
  const waits = pending ? t("settings.address_waits", { address: pending }) : "";
  if (email === null) return waits || t("settings.no_address");
  return `${t("settings.address_is", { address: email })} ${waits}`.trim();
}

function changeForm(chat, onDone) {
  const email = textInput({ id: "email-new", name: "email", type: "email", autocomplete: "email" });
  const password = passwordInput("email-password");
  return settingsForm({
    title: t("settings.another_address"),
    lead: t("settings.another_address_lead"),
    fields: [
      { input: email, label: t("settings.email_address") },
      { input: password, label: t("settings.your_password") },
    ],
    action: t("settings.send_link"),
    look: "is-primary",
    problem: () => {
      if (email.value.trim() === "") return t("settings.no_email");
      return password.value === "" ? t("settings.no_password") : "";
    },
    submit: async () => {
      await chat.rest("POST", "me/email", { email: email.value.trim(), password: password.value });
      password.value = "";
      await onDone();
      return t("settings.mail_sent");
    },
  });
}

function removeForm(chat, onDone) {
  const password = passwordInput("email-remove-password");
  return settingsForm({
    title: t("settings.remove_address_title"),
    lead: t("settings.remove_address_lead"),
    fields: [{ input: password, label: t("settings.remove_address_password") }],
    action: t("settings.remove_address"),
    problem: () => (password.value === "" ? t("settings.no_password") : ""),
    submit: async () => {
      await chat.rest("DELETE", "me/email", { password: password.value });
      password.value = "";
      await onDone();
      return t("settings.address_removed");
    },
  });
}

function passwordInput(id) {
  return textInput({ id, name: "password", type: "password", autocomplete: "current-password" });
}
