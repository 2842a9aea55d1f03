/** The page before there is a login: log in, or register. */

import { h } from "../dom.js";
import { explain } from "../explain.js";

const HINTS = { username: "3 to 32 letters or digits.", password: "At least 8 characters." };
const CODE_HINT = "From your authenticator app, or a recovery code.";
const GOOD_NAME = /^[A-Za-z0-9]{3,32}$/;
const SHORTEST_PASSWORD = 8;

export class AuthView {
  /**
   * @param {{credentials: import("../client/credentials.js").Credentials, notice?: string,
   *   server?: () => Promise<import("../client/types.js").Server>,
   *   onLogin: (login: import("../client/credentials.js").Login) => void}} parts  notice: why one is here again
   */
  constructor({ credentials, notice = "", server, onLogin }) {
    this.credentials = credentials;
    this.onLogin = onLogin;
    this.isNew = false;
    this.title = h("h1", { class: "auth-title" });
    this.lead = h("p", { class: "auth-lead" });
    this.username = this.#field("username", "Name", {
      autocomplete: "username",
      autocapitalize: "none",
      maxlength: 32,
    });
    this.password = this.#field("password", "Password", { type: "password" });
    this.code = this.#field("code", "Code", {
      autocomplete: "one-time-code",
      autocapitalize: "none",
      maxlength: 32,
    });
    this.code.hint.textContent = CODE_HINT;
    this.code.row.hidden = true;
    this.error = h("p", { class: "form-error", role: "alert" }, notice);
    this.submit = h("button", { class: "button is-primary is-wide", type: "submit" });
    this.other = h("button", { class: "link", type: "button", on: { click: () => this.#turn() } });
    this.question = h("span");
    this.brand = h("p", { class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "Reaktor");
    this.welcome = h("p", { class: "auth-welcome", dir: "auto", hidden: true });
    this.rules = h("details", { class: "auth-rules", hidden: true });
    this.element = h(
      "main",
      { class: "auth" },
      h(
        "form",
        { class: "auth-card", novalidate: true, on: { submit: (event) => this.#onSubmit(event) } },
        this.brand,
        this.welcome,
        this.title,
        this.lead,
        this.username.row,
        this.password.row,
        this.code.row,
        this.error,
        this.submit,
        h("p", { class: "auth-other" }, this.question, " ", this.other),
        this.rules,
      ),
    );
    this.#say();
    // Without an answer one can log in all the same.
    server?.().then(
      (found) => this.#introduce(found),
      () => {},
    );
  }

  /** Whose server this is. @param {import("../client/types.js").Server} server */
  #introduce({ name, logo_url, welcome, rules }) {
    const mark = logo_url
      ? h("img", { class: "auth-logo", src: logo_url, alt: "" })
      : h("span", { class: "brand-mark", "aria-hidden": "true" });
    this.brand.replaceChildren(mark, name);
    document.title = name;
    this.welcome.textContent = welcome;
    this.welcome.hidden = welcome === "";
    this.rules.replaceChildren(h("summary", {}, "Rules of this server"), h("p", { dir: "auto" }, rules));
    this.rules.hidden = rules === "";
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
    this.#askForCode(false);
    this.#complain({});
    this.error.textContent = "";
    this.#say();
    this.focus();
  }

  /** Mark fields that are wrong. @param {Object<string, string>} problems */
  #complain(problems) {
    this.code.input.removeAttribute("aria-invalid");
    for (const { input, hint } of [this.username, this.password]) {
      const problem = problems[input.name];
      if (problem) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      hint.textContent = problem ?? (this.isNew ? HINTS[input.name] : "");
    }
  }

  /** @param {boolean} isAsked */
  #askForCode(isAsked) {
    this.code.row.hidden = !isAsked;
    this.code.input.value = "";
  }

  /** What can be said without asking the server. */
  #problems(username, password) {
    const problems = {};
    if (username === "") problems.username = "Please enter a name.";
    else if (this.isNew && !GOOD_NAME.test(username)) problems.username = `A name has ${HINTS.username}`;
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
      const login = this.isNew
        ? await this.credentials.register(username, password)
        : await this.credentials.logIn(username, password, this.code.input.value);
      this.onLogin(login);
    } catch (error) {
      if (error.code === "second_factor_required") {
        this.#askForCode(true);
        this.code.input.focus();
        return;
      }
      // The server marks fields with a word or two; its sentence says it better.
      const marked = Object.keys(error.fields ?? {}).filter((name) => name in HINTS);
      this.#complain(Object.fromEntries(marked.map((name) => [name, HINTS[name]])));
      if ("code" in (error.fields ?? {})) this.code.input.setAttribute("aria-invalid", "true");
      this.error.textContent = explain(error);
    } finally {
      this.submit.disabled = false;
    }
  }
}
