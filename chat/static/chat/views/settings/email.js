/** The e-mail address of the account: which one counts, another one, none. */

import { h } from "../../dom.js";
import { facts } from "../../facts.js";
import { textInput } from "../formdialog.js";
import { settingsForm } from "./form.js";

/** @param {import("./form.js").Parts} parts */
export function emailSection({ chat }) {
  const state = h("p", { class: "settings-lead", role: "status" });
  const element = h("div", { class: "settings-section" }, state);
  if (!facts().sendsMail) {
    state.textContent = "This server sends no e-mail, so an address would be of no use.";
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
  const waits = pending ? `${pending} waits: open the link in the mail that was sent there.` : "";
  if (email === null) return waits || "Your account has no e-mail address.";
  return `Your address is ${email}. ${waits}`.trim();
}

function changeForm(chat, onDone) {
  const email = textInput({ id: "email-new", name: "email", type: "email", autocomplete: "email" });
  const password = passwordInput("email-password");
  return settingsForm({
    title: "Another address",
    lead: "With an address you can get a new password when you have forgotten yours. Nobody else sees it.",
    fields: [
      { input: email, label: "E-mail address" },
      { input: password, label: "Your password" },
    ],
    action: "Send a link there",
    look: "is-primary",
    problem: () => {
      if (email.value.trim() === "") return "Please enter an address.";
      return password.value === "" ? "Please enter your password." : "";
    },
    submit: async () => {
      await chat.rest("POST", "me/email", { email: email.value.trim(), password: password.value });
      password.value = "";
      await onDone();
      return "A mail is on its way. The address counts once you have opened its link.";
    },
  });
}

function removeForm(chat, onDone) {
  const password = passwordInput("email-remove-password");
  return settingsForm({
    title: "No address",
    lead: "Without one nobody can send you a new password.",
    fields: [{ input: password, label: "Password, to remove the address" }],
    action: "Remove the address",
    problem: () => (password.value === "" ? "Please enter your password." : ""),
    submit: async () => {
      await chat.rest("DELETE", "me/email", { password: password.value });
      password.value = "";
      await onDone();
      return "The address is removed.";
    },
  });
}

function passwordInput(id) {
  return textInput({ id, name: "password", type: "password", autocomplete: "current-password" });
}
