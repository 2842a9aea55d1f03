/** The page before there is a login: log in, or register as this server lets one. */

import { h } from "../dom.js";
import { explain } from "../explain.js";
import { t } from "../words.js";

const SHORTEST_PASSWORD = 8;

/** What a new account's fields want to be. @returns {Object<string, string>} */
const hints = () => ({
  username: t("door.username_hint"),
  password: t("door.password_hint", { count: SHORTEST_PASSWORD }),
  email: "",
});

export class AuthView {
  /**
   * @param {{credentials: import("../client/credentials.js").Credentials, notice?: string, invite?: string,
   *   registration: string, sendsMail: boolean, needsEmail: boolean,
   *   server?: () => Promise<import("../client/types.js").Server>,
   *   onLogin: (login: import("../client/credentials.js").Login) => void}} parts  notice: why one is here again;
   *   invite: the code of a server invite, whose link one has opened; server: asks whose server this is
   */
  constructor({ credentials, notice = "", invite = "", registration, sendsMail, needsEmail, server, onLogin }) {
    this.credentials = credentials;
    this.onLogin = onLogin;
    this.invite = invite;
    this.registration = registration;
    this.needsEmail = needsEmail;
    this.isNew = invite !== "";
    this.title = h("h1", { class: "auth-title" });
    this.lead = h("p", { class: "auth-lead" });
    this.username = this.#field("username", t("door.username"), {
      autocomplete: "username",
      autocapitalize: "none",
      maxlength: 128,
      dir: "auto",
    });
    this.password = this.#field("password", t("door.password"), { type: "password" });
    this.code = this.#field("code", t("door.code"), {
      autocomplete: "one-time-code",
      autocapitalize: "none",
      maxlength: 32,
    });
    this.code.hint.textContent = t("door.code_hint");
    this.code.row.hidden = true;
    this.email = this.#field("email", needsEmail ? t("door.email") : t("door.email_optional"), {
      type: "email",
      autocomplete: "email",
      required: needsEmail,
    });
    this.asksEmail = sendsMail;
    this.error = h("p", { class: "form-error", role: "alert" }, notice);
    this.done = h("p", { class: "form-done", role: "status" });
    this.forgot = h("p", { class: "auth-other" }, h("a", { href: "#/forgot-password" }, t("door.forgot")));
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
        this.email.row,
        this.error,
        this.done,
        this.submit,
        sendsMail && this.forgot,
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
    this.rules.replaceChildren(h("summary", {}, t("door.rules")), h("p", { dir: "auto" }, rules));
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
    this.title.textContent = isNew ? t("door.create") : t("door.welcome_back");
    const shut = isNew && !this.invite ? this.#shut() : "";
    this.lead.textContent = shut || (isNew ? this.#welcome() : t("door.log_in_lead"));
    for (const { row } of [this.username, this.password]) row.hidden = shut !== "";
    this.email.row.hidden = !isNew || !this.asksEmail || shut !== "";
    this.submit.hidden = shut !== "";
    this.forgot.hidden = isNew;
    this.submit.textContent = isNew ? t("door.register") : t("door.log_in");
    this.question.textContent = isNew ? t("door.has_account") : t("door.new_here");
    this.other.textContent = isNew ? t("door.log_in") : t("door.register");
    this.username.hint.textContent = isNew ? hints().username : "";
    this.password.hint.textContent = isNew ? hints().password : "";
    this.password.input.setAttribute("autocomplete", isNew ? "new-password" : "current-password");
  }

  /** Why nobody can register without more, or "". */
  #shut() {
    if (this.registration === "closed") return t("door.closed");
    return this.registration === "invite" ? t("door.by_invite") : "";
  }

  #welcome() {
    if (this.invite) return t("door.invited");
    if (this.registration === "approval") return t("door.by_approval");
    return this.needsEmail ? t("door.choose") : t("door.all_it_takes");
  }

  #turn() {
    this.isNew = !this.isNew;
    this.#askForCode(false);
    this.done.textContent = "";
    this.#complain({});
    this.error.textContent = "";
    this.#say();
    this.focus();
  }

  /** Mark fields that are wrong. @param {Object<string, string>} problems */
  #complain(problems) {
    this.code.input.removeAttribute("aria-invalid");
    for (const { input, hint } of [this.username, this.password, this.email]) {
      const problem = problems[input.name];
      if (problem) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      hint.textContent = problem ?? (this.isNew ? hints()[input.name] : "");
    }
  }

  /** @param {boolean} isAsked */
  #askForCode(isAsked) {
    this.code.row.hidden = !isAsked;
    this.code.input.value = "";
  }

  /** What can be said without asking the server. */
  async #problems(username, password, email) {
    const problems = {};
    // Loaded by who registers alone. Without it the server says so.
    const { isPossible } = this.isNew ? await import("../names.js").catch(() => ({})) : {};
    if (username === "") problems.username = t("door.no_username");
    else if (isPossible?.(username) === false) problems.username = t("door.bad_username");
    if (password === "") problems.password = t("door.no_password");
    else if (this.isNew && password.length < SHORTEST_PASSWORD)
      problems.password = t("door.short_password", { count: SHORTEST_PASSWORD });
    if (this.isNew && this.needsEmail && email === "") problems.email = t("door.no_email");
    return problems;
  }

  async #onSubmit(event) {
    event.preventDefault();
    const username = this.username.input.value.trim();
    const password = this.password.input.value;
    const email = this.email.input.value.trim();
    this.submit.disabled = true;
    const problems = await this.#problems(username, password, email);
    this.#complain(problems);
    this.error.textContent = Object.keys(problems).length > 0 ? t("door.look") : "";
    if (this.error.textContent) {
      this.submit.disabled = false;
      return;
    }
    try {
      if (this.isNew) await this.#register(username, password, email);
      else this.onLogin(await this.credentials.logIn(username, password, this.code.input.value));
    } catch (error) {
      if (error.code === "second_factor_required") {
        this.#askForCode(true);
        this.code.input.focus();
        return;
      }
      // The server marks fields with a word or two; its sentence says it better.
      const marked = Object.keys(error.fields ?? {}).filter((name) => name in hints());
      this.#complain(Object.fromEntries(marked.map((name) => [name, hints()[name]])));
      if ("code" in (error.fields ?? {})) this.code.input.setAttribute("aria-invalid", "true");
      this.error.textContent = explain(error);
    } finally {
      this.submit.disabled = false;
    }
  }

  async #register(username, password, email) {
    const more = { ...(email && { email }), ...(this.invite && { invite: this.invite }) };
    const login = await this.credentials.register(username, password, more);
    if (login) {
      this.onLogin(login);
      return;
    }
    this.#turn();
    this.password.input.value = "";
    this.done.textContent = t("door.waiting");
  }
}
