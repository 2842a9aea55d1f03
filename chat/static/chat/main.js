/**
 * The start of the web client: puts the parts together, and shows the page that the address names.
 * `#/` is the lobby, `#/c/<key>` a channel, with `/t/<id>` behind it also the thread of a message, `#/c/<key>/<number>` a
 * message of it, `#/search/<what>` a search, `#/threads` one's threads, `#/settings/<section>` one's own settings.
 * Without a login there is
 * only the log-in page, and the address stays: `#/invite/<code>` is one for registering. `#/forgot-password` and the
 * pages that links in mails lead to need no login, and are there with one, too.
 */

import { Api, Chat, Credentials, Memory, needsLogin } from "./client/index.js";
import { explainEnd } from "./explain.js";
import { facts } from "./facts.js";
import { Shell } from "./views/shell.js";
import { load, t, withWords } from "./words.js";

const ACCOUNT_PAGE = /^#\/(confirm-email|reset-password|forgot-password)(?:\/([A-Za-z0-9_-]{1,100}))?$/;
const INVITE = /^#\/invite\/([A-Za-z0-9_-]{1,64})$/;

/** What whoever is not logged in sees. */
const door = () => withWords("door", import("./views/auth.js"));
/** The words for what goes wrong. */
const excuses = () => load("errors").catch(() => {});

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
    /** @type {import("./views/auth.js").AuthView|null} */
    this.door = null;
    /** Counts the pages that were wanted. */
    this.turn = 0;
  }

  start() {
    this.chat.onState((state) => state.name === "ended" && needsLogin(state.code) && this.#ended(state));
    this.credentials.onOtherTab(() => this.#onOtherTab());
    addEventListener("hashchange", () => this.#route());
    addEventListener("online", () => this.chat.probe());
    addEventListener("offline", () => this.chat.probe());
    // A page that comes out of the back/forward cache, or a device that slept, may hold a line that is long dead.
    addEventListener("pageshow", (event) => event.persisted && this.chat.probe());
    document.addEventListener("visibilitychange", () => this.#onSight());
    const { login } = this.credentials;
    if (login) this.#in(login);
    else this.#route();
  }

  #in(login) {
    if (INVITE.test(location.hash)) history.replaceState(null, "", location.pathname);
    this.door = null;
    this.turn += 1;
    this.shell = new Shell({ chat: this.chat, onLogOut: () => this.#logOut() });
    this.root.replaceChildren(this.shell.element);
    this.chat.start(login.user);
    this.#route();
    // Beside the first page: they are there, too, without a connection.
    excuses();
    door().catch(() => {});
    // Only whoever has allowed it needs what it takes. A device that can't be reached now is told the next time.
    if (globalThis.Notification?.permission === "granted") {
      withWords("settings", import("./views/push.js")).then(({ renew }) => renew(this.chat)).catch(() => {});
    }
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
    this.root.replaceChildren();
    this.chat.stop();
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

  async #ended(state) {
    await excuses();
    this.#out(explainEnd(state));
  }

  async #showLogin(notice = "") {
    const turn = ++this.turn;
    const [{ AuthView }] = await Promise.all([door(), excuses()]);
    if (turn !== this.turn) return;
    document.title = "Reaktor";
    this.door = new AuthView({
      credentials: this.credentials,
      notice,
      invite: INVITE.exec(location.hash)?.[1] ?? "",
      ...facts(),
      server: () => this.api.server(),
      onLogin: (login) => this.#in(login),
    });
    this.root.replaceChildren(this.door.element);
    this.door.focus();
  }

  async #showAccountPage(name, token) {
    const turn = ++this.turn;
    const [{ accountPage }] = await Promise.all([withWords("door", import("./views/accountpage.js")), excuses()]);
    if (turn !== this.turn) return;
    const page = accountPage({ api: this.api, name, token, onDone: (notice) => this.#leaveAccountPage(notice) });
    this.door = null;
    this.root.replaceChildren(page.element);
    page.focus();
  }

  /** The token is of no use any more, and nobody should find it in the history. @param {string} notice */
  #leaveAccountPage(notice) {
    history.replaceState(null, "", location.pathname);
    if (this.shell) {
      this.#route();
      if (notice) this.shell.toasts.show(notice);
    } else this.#showLogin(notice);
  }

  async #openFile(id) {
    const { openFile } = await withWords("panels", import("./views/files.js"));
    await openFile(this.chat, id).catch(() => {});
  }

  #onOtherTab() {
    const { login } = this.credentials;
    if (this.shell && login?.user.id !== this.chat.store.me?.id) this.#out(t("errors.logged_out_elsewhere"));
    if (!this.shell && login) this.#in(login);
  }

  #onSight() {
    this.chat.signs.hidden(document.hidden);
    this.shell?.sight(document.hidden);
    if (!document.hidden && this.shell) this.chat.probe();
  }

  #route() {
    this.turn += 1;
    const page = ACCOUNT_PAGE.exec(location.hash);
    if (page) {
      this.#showAccountPage(page[1], page[2] ?? "");
      return;
    }
    if (!this.shell) {
      // Somebody who is typing a password is left alone, whatever becomes of the address.
      if (!this.door || INVITE.test(location.hash)) this.#showLogin();
      return;
    }
    if (this.root.firstChild !== this.shell.element) this.root.replaceChildren(this.shell.element);
    const settings = /^#\/settings(?:\/([a-z]+))?$/.exec(location.hash);
    if (settings) {
      this.shell.showSettings(settings[1] ?? "");
      return;
    }
    const file = /^\/f\/([0-9a-f-]{36})$/.exec(location.pathname);
    if (file) {
      // Once: where it is a download this page stays.
      history.replaceState(null, "", `/${location.hash}`);
      this.#openFile(file[1]);
    }
    if (location.hash === "#/threads") {
      this.shell.showThreads();
      return;
    }
    const finding = /^#\/(search(?:\/.*)?|c\/[A-Za-z0-9_-]{1,64}\/\d{1,15})$/.exec(location.hash);
    if (finding) {
      this.shell.showFinding(finding[1]);
      return;
    }
    const found = /^#\/c\/([A-Za-z0-9_-]{1,64})(?:\/t\/([0-9a-f-]{36}))?$/.exec(location.hash);
    this.shell.show(found ? found[1] : null, found?.[2]);
  }
}

load().then(() => new App(document.getElementById("app")).start());
