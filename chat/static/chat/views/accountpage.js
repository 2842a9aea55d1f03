/**
 * The pages that need no login and that links in mails lead to: confirm an address, choose a new password; and the one
 * that asks for such a mail. Nothing is sent before a button is pressed, since programs that look through mails open
 * their links, too.
 */

import { h } from "../dom.js";
import { explain } from "../explain.js";
import { t } from "../words.js";
import { textInput } from "./formdialog.js";

const SHORTEST_PASSWORD = 8;

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
    title: t("door.forgot_title"),
    lead: t("door.forgot_lead"),
    field: { input: email, label: t("door.email") },
    action: t("door.send_link"),
    problem: () => (email.value.trim() === "" ? t("door.no_email") : ""),
    submit: async () => {
      await api.ask("", "POST", "password/reset", { email: email.value.trim() });
      return t("door.link_sent");
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
    title: t("door.reset_title"),
    lead: t("door.reset_lead"),
    field: { input: password, label: t("door.new_password"), hint: t("door.password_hint", { count: SHORTEST_PASSWORD }) },
    action: t("door.set_password"),
    problem: () =>
      password.value.length < SHORTEST_PASSWORD ? t("door.short_password", { count: SHORTEST_PASSWORD }) : "",
    submit: async () => {
      await api.ask("", "POST", "password/reset/confirm", { token, password: password.value });
      onDone(t("door.password_set"));
    },
  };
}

function confirmPage({ api, token, onDone }) {
  return {
    title: t("door.confirm_title"),
    lead: t("door.confirm_lead"),
    action: t("door.confirm"),
    submit: async () => {
      await api.ask("", "POST", "email/confirm", { token });
      onDone(t("door.confirmed"));
    },
  };
}

function card({ title, lead, field, action, problem = () => "", submit }, onDone) {
  const error = h("p", { class: "form-error", role: "alert" });
  const done = h("p", { class: "form-done", role: "status" });
  const button = h("button", { class: "button is-primary is-wide", type: "submit" }, action);
  const back = h("button", { class: "link", type: "button", on: { click: () => onDone("") } }, t("door.to_chat"));

  async function onSubmit(event) {
    event.preventDefault();
    done.textContent = "";
    error.textContent = problem();
    if (error.textContent !== "") return;
    button.disabled = true;
    try {
      done.textContent = (await submit()) ?? "";
    } catch (failure) {
      error.textContent = explain(failure);
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
