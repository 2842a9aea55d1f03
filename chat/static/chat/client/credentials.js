/**
 * Who is logged in in this browser, and an access token that is still good.
 *
 * The refresh token rotates and its predecessor dies, so tabs must not refresh at the same time: they share one
 * remembered login, take turns where the browser has locks, and else look again whether another tab was faster.
 */

import { RequestError } from "./errors.js";
import { storageKey } from "./memory.js";

const NAME = "login";
// A token with less than this left is renewed before it is used.
const MARGIN_S = 90;
const OTHER_TAB_MS = 1_500;

/** @typedef {{user: import("./types.js").User, access: string, refresh: string, deadline: number}} Login */

export class Credentials {
  /**
   * @param {{api: import("./api.js").Api, memory: import("./memory.js").Memory, now?: () => number,
   *   locks?: LockManager, sleep?: (ms: number) => Promise<void>}} parts
   */
  constructor({ api, memory, now = Date.now, locks, sleep }) {
    this.api = api;
    this.memory = memory;
    this.now = now;
    this.locks = locks;
    this.sleep = sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  }

  /** @returns {Login|null} */
  get login() {
    return this.memory.get(NAME);
  }

  /** @returns {Promise<Login|null>} null: the account waits for approval  @param {{email?: string, invite?: string}} [more] */
  async register(username, password, more) {
    const grant = await this.api.register(username, password, more);
    return grant && this.#keep(grant);
  }

  async logIn(username, password, code = "") {
    return this.#keep(await this.api.logIn(username, password, code));
  }

  /** Tell the server that a login that was forgotten here has ended, if it can be reached. @param {Login} login */
  async revoke(login) {
    await this.api.revoke(login.refresh).catch(() => {});
  }

  forget() {
    this.memory.remove(NAME);
  }

  /**
   * An access token that is good for a while, other than the one that is refused.
   * Rejects with a RequestError: `not_authenticated` or `banned` (the login is gone and forgotten), or why there is
   * none just now.
   * @param {string|null} [refusing]
   */
  async access(refusing = null) {
    const login = this.#usable(refusing);
    if (login) return login.access;
    return this.#alone(() => this.#refresh(refusing));
  }

  #usable(refusing) {
    const login = this.login;
    if (!login) throw new RequestError("not_authenticated");
    const isFresh = login.deadline - this.now() > MARGIN_S * 1000;
    return isFresh && login.access !== refusing ? login : null;
  }

  #alone(work) {
    // Locks exist on https and localhost only; #refresh copes without them.
    return this.locks ? this.locks.request("reaktor.refresh", work) : work();
  }

  async #refresh(refusing) {
    const already = this.#usable(refusing);
    if (already) return already.access;
    const before = this.login;
    try {
      const grant = await this.api.refresh(before.refresh);
      return this.#keep({ ...grant, user: grant.user ?? before.user }).access;
    } catch (error) {
      if (error.code !== "not_authenticated" && error.code !== "banned") throw error;
      await this.sleep(OTHER_TAB_MS);
      if (this.login && this.login.refresh !== before.refresh) return this.login.access;
      this.forget();
      throw error;
    }
  }

  #keep(grant) {
    const login = {
      user: grant.user,
      access: grant.access,
      refresh: grant.refresh,
      deadline: this.now() + grant.lifeS * 1000,
    };
    this.memory.set(NAME, login);
    return login;
  }

  /** Hear of a login or log-out in another tab. @param {() => void} callback */
  onOtherTab(callback) {
    globalThis.addEventListener("storage", (event) => {
      if (event.key === storageKey(NAME) || event.key === null) callback();
    });
  }
}
