/** The page before there is a login: log in, or register. */

import { h } from "../dom.js";
import { explain } from "../explain.js";
import { isPossible } from "../names.js";

const HINTS = { username: "2 to 32 letters or digits of one script.", password: "At least 8 characters." };
const SHORTEST_PASSWORD = 8;

export class AuthView {
  /**
   * @param {{credentials: import("../client/credentials.js").Credentials, notice?: string,
   *   onLogin: (login: import("../client/credentials.js").Login) => void}} parts  notice: why one is here again
   */
  constructor({ credentials, notice = "", onLogin }) {
    this.credentials = credentials;
    this.onLogin = onLogin;
    this.isNew = false;
    this.title = h("h1", { class: "auth-title" });
    this.lead = h("p", { class: "auth-lead" });
    this.username = this.#field("username", "Name", {
      autocomplete: "username",
      autocapitalize: "none",
      maxlength: 128,
      dir: "auto",
    });
    this.password = this.#field("password", "Password", { type: "password" });
    this.error = h("p", { class: "form-error", role: "alert" }, notice);
    this.submit = h("button", { class: "button is-primary is-wide", type: "submit" });
    this.other = h("button", { class: "link", type: "button", on: { click: () => this.#turn() } });
    this.question = h("span");
    this.element = h(
      "main",
      { class: "auth" },
      h(
        "form",
        { class: "auth-card", novalidate: true, on: { submit: (event) => this.#onSubmit(event) } },
        h("p", { class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Reaktor"),
        this.title,
        this.lead,
        this.username.row,
        this.password.row,
        this.error,
        this.submit,
        h("p", { class: "auth-other" }, this.question, " ", this.other),
      ),
    );
    this.#say();
  }

  focus() {
    this.username.input.focus();
  }

  #field(name, label, attributes) {
    const hint = h("span", { class: "field-hint", id: `${name}-hint` });
    const input = h("input", {
      class: "input",
      id: name,
      name,
      required: true,
      spellcheck: "false",
      "aria-describedby": hint.id,
      ...attributes,
    });
    return { input, hint, row: h("div", { class: "field" }, h("label", { for: name }, label), input, hint) };
  }

  #say() {
    const { isNew } = this;
    this.title.textContent = isNew ? "Create an account" : "Welcome back";
    this.lead.textContent = isNew ? "A name and a password are all it takes." : "Log in to see who is there.";
    this.submit.textContent = isNew ? "Register" : "Log in";
    this.question.textContent = isNew ? "You have an account?" : "New here?";
    this.other.textContent = isNew ? "Log in" : "Register";
    this.username.hint.textContent = isNew ? HINTS.username : "";
    this.password.hint.textContent = isNew ? HINTS.password : "";
    this.password.input.setAttribute("autocomplete", isNew ? "new-password" : "current-password");
  }

  #turn() {
    this.isNew = !this.isNew;
    this.#complain({});
    this.error.textContent = "";
    this.#say();
    this.focus();
  }

  /** Mark fields that are wrong. @param {Object<string, string>} problems */
  #complain(problems) {
    for (const { input, hint } of [this.username, this.password]) {
      const problem = problems[input.name];
      if (problem) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      hint.textContent = problem ?? (this.isNew ? HINTS[input.name] : "");
    }
  }

  /** What can be said without asking the server. */
  #problems(username, password) {
    const problems = {};
    if (username === "") problems.username = "Please enter a name.";
    else if (this.isNew && !isPossible(username)) problems.username = `A name has ${HINTS.username}`;
    if (password === "") problems.password = "Please enter a password.";
    else if (this.isNew && password.length < SHORTEST_PASSWORD)
      problems.password = `It needs ${HINTS.password.toLowerCase()}`;
    return problems;
  }

  async #onSubmit(event) {
    event.preventDefault();
    const username = this.username.input.value.trim();
    const password = this.password.input.value;
    const problems = this.#problems(username, password);
    this.#complain(problems);
    this.error.textContent = Object.keys(problems).length > 0 ? "Please look at what is marked." : "";
    if (this.error.textContent) return;
    this.submit.disabled = true;
    try {
      const how = this.isNew ? "register" : "logIn";
      this.onLogin(await this.credentials[how](username, password));
    } catch (error) {
      // The server marks fields with a word or two; its sentence says it better.
      const marked = Object.keys(error.fields ?? {}).filter((name) => name in HINTS);
      this.#complain(Object.fromEntries(marked.map((name) => [name, HINTS[name]])));
      this.error.textContent = explain(error);
    } finally {
      this.submit.disabled = false;
    }
  }
}
