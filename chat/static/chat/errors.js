/**
 * What can go wrong, and how it is said to people.
 * Codes are the server's (docs/protocol.md, "Errors") plus three of our own: offline, timeout, disconnected.
 */

import { termsLine } from "./words.js";

/**
 * What a mute or ban says: its end (null: for good), why (may be empty), whether it holds everywhere.
 * @typedef {{until: string|null, reason: string, isEverywhere: boolean}} Terms
 */

/** An operation that did not work. `code` is for comparing, explain() for showing. */
export class RequestError extends Error {
  /**
   * @param {string} code
   * @param {{message?: string, retryAfterS?: number, fields?: Object<string, string>, status?: number,
   *   terms?: Terms}} [more]  terms: of a mute or ban
   */
  constructor(code, { message = "", retryAfterS, fields, status, terms } = {}) {
    super(message || code);
    this.name = "RequestError";
    this.code = code;
    this.retryAfterS = retryAfterS;
    this.fields = fields ?? {};
    this.status = status;
    this.terms = terms;
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
    });
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

const SENTENCES = {
  offline: "There is no connection to the server.",
  timeout: "The server did not answer in time.",
  disconnected: "The connection was lost before the answer came.",
  not_authenticated: "Please log in again.",
  forbidden: "You are not allowed to do that.",
  not_a_member: "You are not in this channel.",
  muted: "You are muted here.",
  banned: "This account is banned.",
  archived: "This channel is archived: it can be read, but nothing new can be posted.",
  not_found: "There is nothing under this address.",
  conflict: "That contradicts what is stored.",
  name_taken: "That name is taken.",
  too_large: "That is too long.",
  rate_limited: "That was a lot at once.",
  unavailable: "The server can't do that right now.",
  internal: "Something went wrong on the server.",
};

// What is said where the server tells the terms: for one channel, and for everywhere.
const RESTRICTIONS = {
  muted: ["You are muted here", "You are muted everywhere"],
  banned: ["You are banned from this channel", "This account is banned"],
};

// Where the server's own sentence is more precise than ours.
const SERVER_KNOWS_BETTER = new Set([
  "invalid",
  "conflict",
  "too_large",
  "forbidden",
  "muted",
  "banned",
  "not_authenticated",
  "name_taken",
]);

/**
 * One sentence for people. Never empty, never a code.
 * @param {any} error
 * @returns {string}
 */
export function explain(error) {
  if (!(error instanceof RequestError)) return "Something went wrong in this page. Reloading may help.";
  const details = Object.values(error.fields).filter((text) => typeof text === "string");
  if (error.terms && error.code in RESTRICTIONS) {
    const [here, everywhere] = RESTRICTIONS[error.code];
    return termsLine(error.terms.isEverywhere ? everywhere : here, error.terms);
  }
  let sentence = SENTENCES[error.code] ?? "That did not work.";
  if (SERVER_KNOWS_BETTER.has(error.code) && error.message !== error.code) sentence = error.message;
  if (error.code === "invalid" && details.length > 0 && /not valid/.test(sentence))
    sentence = capital(details.join(" "));
  if (error.isPatience) {
    const wait = Math.ceil(error.retryAfterS ?? 0);
    sentence += wait > 1 ? ` Try again in ${inWords(wait)}.` : " Try again in a moment.";
  }
  return sentence;
}

/** A duration for people: 40 seconds, 3 minutes. */
export function inWords(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} second${Math.round(seconds) > 1 ? "s" : ""}`;
  return `${Math.round(seconds / 60)} minutes`;
}

const CLOSINGS = {
  4502: "This account is banned.",
  4503: "You were logged out.",
  4500: "Your login is no longer valid. Please log in again.",
  4505: "This page is older than the server. Reload it to get the current one.",
  4506: "You are connected from as many places as are allowed. Close another one, then try again.",
  4507: "This server does not accept connections from this page's address.",
};

/** Why a session ended for good, in a sentence. @param {{code?: number, refusal?: RequestError}} state */
export function explainEnd({ code, refusal }) {
  return refusal ? explain(refusal) : (CLOSINGS[code] ?? `The server ended the connection (${code}).`);
}

/** Closings after which only a new login helps. @param {number} code */
export function needsLogin(code) {
  return code === 4500 || code === 4502 || code === 4503;
}

/** From an error's or a bye's data; undefined where they are not told. @returns {Terms|undefined} */
export function termsOf({ until, reason, is_everywhere }) {
  return until === undefined ? undefined : { until, reason: reason ?? "", isEverywhere: is_everywhere ?? true };
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
