/**
 * What can go wrong.
 * Codes are the server's (docs/protocol.md, "Errors") plus three of our own: offline, timeout, disconnected.
 */

/**
 * What a mute or ban says: its end (null: for good), why (may be empty), whether it holds everywhere.
 * @typedef {{until: string|null, reason: string, isEverywhere: boolean}} Terms
 */

/** An operation that did not work. `code` says what it is. */
export class RequestError extends Error {
  /**
   * @param {string} code
   * @param {{message?: string, retryAfterS?: number, fields?: Object<string, string>, status?: number,
   *   terms?: Terms, why?: string, limit?: number, names?: string[]}} [more]  terms: of a mute or ban; why: what exactly
   */
  constructor(code, { message = "", retryAfterS, fields, status, terms, why, limit, names } = {}) {
    super(message || code);
    this.name = "RequestError";
    this.code = code;
    this.retryAfterS = retryAfterS;
    this.fields = fields ?? {};
    this.status = status;
    this.terms = terms;
    Object.assign(this, { why, limit, names });
  }

  /**
   * From the object under `error` in an error frame or a REST answer; anything else is "internal".
   * @param {any} data
   * @param {number} [status]
   */
  static from(data, status) {
    const known = data !== null && typeof data === "object" && typeof data.code === "string";
    if (!known) return new RequestError("internal", { status });
    return new RequestError(data.code, {
      message: data.message,
      retryAfterS: data.retry_after,
      fields: data.fields,
      status,
      terms: termsOf(data),
      why: data.why,
      limit: data.limit ?? data.told,
      names: data.names,
    });
  }

  /** As plain data that can be stored: what the constructor takes, and the code. */
  asData() {
    const { code, message, retryAfterS, fields, status, terms, why, limit, names } = this;
    return { code, message, retryAfterS, fields, status, terms, why, limit, names };
  }

  /** Nobody answered: the same request makes sense again as soon as there is a connection. */
  get isConnection() {
    return ["offline", "timeout", "disconnected"].includes(this.code);
  }

  /** The server asks for patience: the same request makes sense again after `retryAfterS`. */
  get isPatience() {
    return this.code === "rate_limited" || this.code === "unavailable";
  }
}

/** Closings after which only a new login helps. @param {number} code */
export function needsLogin(code) {
  return code === 4500 || code === 4502 || code === 4503;
}

/** From an error's or a bye's data; undefined where they are not told. @returns {Terms|undefined} */
export function termsOf({ until, reason, is_everywhere }) {
  return until === undefined ? undefined : { until, reason: reason ?? "", isEverywhere: is_everywhere ?? true };
}
