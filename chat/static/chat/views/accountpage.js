/**
 * The pages that need no login and that links in mails lead to: confirm an address, choose a new password; and the one
 * that asks for such a mail. Nothing is sent before a button is pressed, since programs that look through mails open
 * their links, too.
 */

import { h } from "../dom.js";
import { explain } from "../explain.js";
import { textInput } from "./formdialog.js";

const SHORTEST_PASSWORD = 8;
const SENT =
  "If an account has confirmed this address, a mail is on its way. Its link is good for an hour. Look into the spam folder, too.";

/** @typedef {import("../client/api.js").Api} Api */

/**
 * @param {{api: Api, name: string, token: string, onDone: (notice: string) => void}} parts  name: as in the address;
 *   `onDone` leads on, with a sentence of what was done
 * @returns {{element: HTMLElement, focus: () => void}}
 */
export function accountPage({ api, name, token, onDone }) {
  const pages = { "forgot-password": forgotPage, "reset-password": resetPage, "confirm-email": confirmPage };
  return card(pages[name]({ api, token, onDone }), onDone);
}

function forgotPage({ api }) {
  const email = textInput({ id: "email", name: "email", type: "email", autocomplete: "email" });
  return {
    title: "Forgotten password",
    lead: "Give the e-mail address of your account. You get a link to choose a new password.",
    field: { input: email, label: "E-mail address" },
    action: "Send me a link",
    problem: () => (email.value.trim() === "" ? "Please enter your e-mail address." : ""),
    submit: async () => {
      await api.ask("", "POST", "password/reset", { email: email.value.trim() });
      return SENT;
    },
  };
}

function resetPage({ api, token, onDone }) {
  const password = textInput({
    id: "new-password",
    name: "password",
    type: "password",
    autocomplete: "new-password",
  });
  return {
    title: "A new password",
    lead: "It logs your account out everywhere.",
    field: { input: password, label: "New password", hint: "At least 8 characters." },
    action: "Set the password",
    problem: () => (password.value.length < SHORTEST_PASSWORD ? "It needs at least 8 characters." : ""),
    submit: async () => {
      await api.ask("", "POST", "password/reset/confirm", { token, password: password.value });
      onDone("Your password is changed. Log in with the new one.");
    },
  };
}

function confirmPage({ api, token, onDone }) {
  return {
    title: "Confirm your e-mail address",
    lead: "Press the button if you gave this address for your account.",
    action: "Confirm",
    submit: async () => {
      await api.ask("", "POST", "email/confirm", { token });
      onDone("Your e-mail address is confirmed.");
    },
  };
}

function card({ title, lead, field, action, problem = () => "", submit }, onDone) {
  const error = h("p", { class: "form-error", role: "alert" });
  const done = h("p", { class: "form-done", role: "status" });
  const button = h("button", { class: "button is-primary is-wide", type: "submit" }, action);
  const back = h("button", { class: "link", type: "button", on: { click: () => onDone("") } }, "Go to the chat");

  async function onSubmit(event) {
    event.preventDefault();
    done.textContent = "";
    error.textContent = problem();
    if (error.textContent !== "") return;
    button.disabled = true;
    try {
      done.textContent = (await submit()) ?? "";
    } catch (failure) {
      // The server's own sentence says what to do about a dead link.
      error.textContent = failure.code === "not_found" ? failure.message : explain(failure);
    } finally {
      button.disabled = false;
    }
  }

  const element = h(
    "main",
    { class: "auth" },
    h(
      "form",
      { class: "auth-card", novalidate: true, on: { submit: onSubmit } },
      h("p", { class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Reaktor"),
      h("h1", { class: "auth-title" }, title),
      h("p", { class: "auth-lead" }, lead),
      field &&
        h(
          "div",
          { class: "field" },
          h("label", { for: field.input.id }, field.label),
          field.input,
          field.hint && h("span", { class: "field-hint" }, field.hint),
        ),
      error,
      done,
      button,
      h("p", { class: "auth-other" }, back),
    ),
  );
  return { element, focus: () => (field?.input ?? button).focus() };
}
