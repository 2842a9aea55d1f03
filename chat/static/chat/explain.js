/** What went wrong, why a session ended, what a moderator did: in sentences for people. */

import { RequestError } from "./client/index.js";
import { capital } from "./lines.js";
import { inWords, whenOf } from "./times.js";
import { says, t } from "./words.js";

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
  if (!(error instanceof RequestError)) return t("errors.page_failed");
  const details = Object.values(error.fields).filter((text) => typeof text === "string");
  if (error.terms) return termsLine(error.terms.isEverywhere ? error.code : `${error.code}_here`, error.terms);
  let sentence = t(`errors.code_${error.code}`);
  if (SERVER_KNOWS_BETTER.has(error.code) && error.message !== error.code) sentence = error.message;
  if (error.code === "invalid" && details.length > 0 && /not valid/.test(sentence))
    sentence = capital(details.join(" "));
  if (error.isPatience) {
    const wait = Math.ceil(error.retryAfterS ?? 0);
    sentence += ` ${wait > 1 ? t("errors.again_in", { when: inWords(wait) }) : t("errors.again_soon")}`;
  }
  return sentence;
}

/** Why a session ended for good, in a sentence. @param {{code?: number, refusal?: RequestError}} state */
export function explainEnd({ code, refusal }) {
  if (refusal) return explain(refusal);
  return says(`errors.closed_${code}`) ? t(`errors.closed_${code}`) : t("errors.closed", { code: String(code) });
}

/**
 * What was done, until when and why: You are muted here until 14:30: too loud
 * @param {string} what  the end of a key
 * @param {{until?: string|null, reason: string, place?: string}} terms  until null: for good; none: not said
 * @param {Date} [now]
 */
export function termsLine(what, { until, reason, place = "" }, now = new Date()) {
  const end = until && t("errors.until", { when: whenOf(new Date(until), now) });
  return t(`errors.terms_${what}`, {
    place,
    until: end ?? (until === null ? t("errors.for_good") : ""),
    because: reason ? t("errors.because", { reason }) : t("errors.no_reason"),
  });
}

/**
 * You were muted in Tea until 14:30: too loud
 * @param {{kind: string, reason: string, until: string|null}} sanction
 * @param {string|null} place  a channel's name; null: everywhere
 */
export function sanctionLine({ kind, reason, until }, place) {
  const what = says(`errors.terms_${kind}_in`) ? (place === null ? kind : `${kind}_in`) : "other";
  // Whoever was removed may come back, and what is lifted has no end.
  const hasEnd = kind === "mute" || kind === "ban";
  return termsLine(what, { reason, place: place ?? "", ...(hasEnd ? { until } : {}) });
}
