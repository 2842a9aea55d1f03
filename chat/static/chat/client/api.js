/**
 * REST: what is asked before there is a session (accounts, tokens), and what only REST has (direct channels).
 * Source: docs/protocol.md, "REST".
 */

import { RequestError } from "./errors.js";

const TIMEOUT_MS = 15_000;
const UPLOAD_TIMEOUT_MS = 60_000;

export class Api {
  /** @param {{base?: string, fetch?: typeof fetch}} [parts] */
  constructor({ base = "/api/v1", fetch = (...args) => globalThis.fetch(...args) } = {}) {
    this.base = base;
    this.fetch = fetch;
  }

  /**
   * @param {string} username  @param {string} password  @param {{email?: string, invite?: string}} [more]
   * @returns {Promise<Grant|null>} null: the account has to be approved before one can log in
   */
  register(username, password, more = {}) {
    return this.#grant("accounts", { username, password, ...more });
  }

  /**
   * Rejects with `second_factor_required` where a code is needed as well.
   * @param {string} username  @param {string} password  @param {string} [code]  of the second factor
   * @returns {Promise<Grant>}
   */
  logIn(username, password, code) {
    return this.#grant("tokens", { username, password, ...(code ? { code } : {}) });
  }

  /** A new pair; the old refresh token dies. @returns {Promise<Grant>} */
  refresh(refresh) {
    return this.#grant("tokens/refresh", { refresh });
  }

  /** The refresh token dies. */
  async revoke(refresh) {
    await this.#post("tokens/revoke", { refresh });
  }

  /**
   * Anything else that REST has. @param {string} access  "": without a login  @param {string} method  @param {string} path  under /api/v1
   * @param {any} [body]  @returns {Promise<any>} what was answered, null where there is nothing to say
   */
  async ask(access, method, path, body) {
    return (await this.#ask(method, path, body, access)).data;
  }

  /** Whose server this is. @returns {Promise<import("./types.js").Server>} */
  async server() {
    return (await this.#ask("GET", "server")).data;
  }

  /** The direct channel with one person, or the group of several. @returns {Promise<import("./types.js").ChannelInfo>} */
  async direct(access, usernames) {
    return (await this.#ask("POST", "direct", { usernames }, access)).data;
  }

  /** Not see a direct channel until something is said there. @returns {Promise<import("./types.js").ChannelInfo>} */
  async hide(access, key) {
    return (await this.#ask("PUT", `channels/${key}/hidden`, {}, access)).data;
  }

  /**
   * How long the access token is good, by the server's own clock: this device's may be wrong by hours.
   * @typedef {{user?: import("./types.js").User, access: string, refresh: string, lifeS: number}} Grant
   */
  async #grant(path, body) {
    const { data, date } = await this.#post(path, body);
    if (data.state === "waiting") return null;
    const servedAt = date ? Date.parse(date) : Date.now();
    return {
      user: data.user,
      access: data.access,
      refresh: data.refresh,
      lifeS: (Date.parse(data.expires_at) - servedAt) / 1000,
    };
  }

  #post(path, body) {
    return this.#ask("POST", path, body);
  }

  async #ask(method, path, body, access) {
    const isPlain = !(body instanceof Blob);
    const authorization = access ? { Authorization: `Bearer ${access}` } : {};
    let response;
    try {
      response = await this.fetch(`${this.base}/${path}`, {
        method,
        headers: {
          "Content-Type": isPlain ? "application/json" : body.type || "application/octet-stream",
          Accept: "application/json",
          ...authorization,
        },
        body: isPlain ? JSON.stringify(body) : body,
        signal: AbortSignal.timeout(isPlain ? TIMEOUT_MS : UPLOAD_TIMEOUT_MS),
      });
    } catch (error) {
      throw new RequestError(error?.name === "TimeoutError" ? "timeout" : "offline");
    }
    const data = await response.json().catch(() => null);
    if (response.ok) return { data, date: response.headers.get("Date") };
    // A proxy in front of a server that is just starting answers in HTML.
    if (data === null && response.status >= 502) throw new RequestError("unavailable", { retryAfterS: 2 });
    throw RequestError.from(data?.error, response.status);
  }
}
