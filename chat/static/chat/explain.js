/** What went wrong, why a session ended, what a moderator did: in sentences for people. */

import { RequestError } from "./client/index.js";
import { inWords, whenOf } from "./times.js";
import { language, says, t } from "./words.js";

const MIB = 2 ** 20;
// The server speaks English. Where it says more than its code, that is for who reads English.
const SERVER_SAYS_MORE = new Set(["invalid", "conflict", "too_large", "forbidden", "not_authenticated", "banned"]);

/**
 * One sentence for people. Never empty, never a code.
 * @param {any} error
 * @returns {string}
 */
export function explain(error) {
  if (!(error instanceof RequestError)) return t("errors.page_failed");
  if (error.terms) return termsLine(error.terms.isEverywhere ? error.code : `${error.code}_here`, error.terms);
  const sentence = sentenceOf(error);
  if (!error.isPatience) return sentence;
  const wait = Math.ceil(error.retryAfterS ?? 0);
  return `${sentence} ${wait > 1 ? t("errors.again_in", { when: inWords(wait) }) : t("errors.again_soon")}`;
}

/** @param {RequestError} error */
function sentenceOf({ code, why, limit, names, message }) {
  if (says(`errors.why_${why}`)) return t(`errors.why_${why}`, { count: limit, size: Math.floor(limit / MIB), names });
  if (language === "en" && SERVER_SAYS_MORE.has(code) && message !== code) return message;
  return t(`errors.code_${code}`, { count: limit });
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
