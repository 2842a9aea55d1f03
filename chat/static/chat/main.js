/**
 * The start of the web client: puts the parts together, and shows the page that the address names.
 * `#/` is the lobby, `#/c/<key>` a channel, `#/settings/<section>` one's own settings; without a login there is only the log-in page, and the address stays.
 */

import { Api, Chat, Credentials, Memory, needsLogin } from "./client/index.js";
import { explainEnd } from "./explain.js";
import { AuthView } from "./views/auth.js";
import { forgetDrafts } from "./views/channel.js";
import { Shell } from "./views/shell.js";

class App {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const shared = Memory.from(() => localStorage);
    const own = Memory.from(() => sessionStorage);
    const api = (this.api = new Api());
    this.credentials = new Credentials({ api, memory: shared, locks: navigator.locks });
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/v1`;
    this.chat = new Chat({ url, credentials: this.credentials, shared, own, api });
    /** @type {Shell|null} */
    this.shell = null;
  }

  start() {
    this.chat.onState(
      (state) => state.name === "ended" && needsLogin(state.code) && this.#out(explainEnd(state)),
    );
    this.credentials.onOtherTab(() => this.#onOtherTab());
    addEventListener("hashchange", () => this.#route());
    addEventListener("online", () => this.chat.probe());
    addEventListener("offline", () => this.chat.probe());
    // A page that comes out of the back/forward cache, or a device that slept, may hold a line that is long dead.
    addEventListener("pageshow", (event) => event.persisted && this.chat.probe());
    document.addEventListener("visibilitychange", () => this.#onSight());
    const { login } = this.credentials;
    if (login) this.#in(login);
    else this.#showLogin();
  }

  #in(login) {
    this.shell = new Shell({ chat: this.chat, onLogOut: () => this.#logOut() });
    this.root.replaceChildren(this.shell.element);
    this.chat.start(login.user);
    this.#route();
  }

  /**
   * No longer logged in here, for a reason that the log-in page shows. The remembered login is not touched: only its
   * refusal by the server (Credentials) and its owner's log-out end it.
   * @param {string} notice
   */
  #out(notice = "") {
    if (!this.shell) return;
    this.shell.destroy();
    this.shell = null;
    this.chat.stop();
    forgetDrafts();
    this.#showLogin(notice);
  }

  async #logOut() {
    const { login } = this.credentials;
    // What is remembered may by now be somebody else's login, from another tab.
    if (login?.user.id === this.chat.store.me?.id) this.credentials.forget();
    this.#out();
    history.replaceState(null, "", location.pathname);
    if (login) await this.credentials.revoke(login);
  }

  #showLogin(notice = "") {
    document.title = "Reaktor";
    const view = new AuthView({
      credentials: this.credentials,
      notice,
      server: () => this.api.server(),
      onLogin: (login) => this.#in(login),
    });
    this.root.replaceChildren(view.element);
    view.focus();
  }

  #onOtherTab() {
    const { login } = this.credentials;
    if (this.shell && login?.user.id !== this.chat.store.me?.id) this.#out("You logged out in another tab.");
    if (!this.shell && login) this.#in(login);
  }

  #onSight() {
    this.chat.signs.hidden(document.hidden);
    this.shell?.sight(document.hidden);
    if (!document.hidden && this.shell) this.chat.probe();
  }

  #route() {
    const settings = /^#\/settings(?:\/([a-z]+))?$/.exec(location.hash);
    if (settings) {
      this.shell?.showSettings(settings[1] ?? "");
      return;
    }
    const found = /^#\/c\/([A-Za-z0-9_-]{1,64})$/.exec(location.hash);
    this.shell?.show(found ? found[1] : null);
  }
}

new App(document.getElementById("app")).start();
