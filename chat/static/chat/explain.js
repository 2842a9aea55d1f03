/** What went wrong, and why a session ended, in sentences for people. */

import { RequestError } from "./client/index.js";
import { termsLine } from "./words.js";

const SENTENCES = {
  offline: "There is no connection to the server.",
  timeout: "The server did not answer in time.",
  disconnected: "The connection was lost before the answer came.",
  not_authenticated: "Please log in again.",
  second_factor_required: "This account asks for a code as well.",
  forbidden: "You are not allowed to do that.",
  not_a_member: "You are not in this channel.",
  muted: "You are muted here.",
  banned: "This account is banned.",
  waiting: "Your account waits for approval.",
  archived: "This channel is archived: it can be read, but nothing new can be posted.",
  not_found: "There is nothing under this address.",
  conflict: "That contradicts what is stored.",
  name_taken: "That name is taken, or looks like one that is.",
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
  "edit_window_over",
  "confirmation_required",
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

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
