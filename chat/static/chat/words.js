/**
 * What is said to people, in their language: t("replies", { count: 3 }). All sentences stand in the catalogues of `words/`.
 * Only the reader's is loaded: what the first page says at once, other parts with their panels. How to add words:
 * docs/words.md.
 */

import { chosen } from "./appearance.js";
import { LANGUAGES } from "./words/languages.js";

const base = (tag = "") => tag.toLowerCase().split("-")[0];
const asked = globalThis.navigator?.languages ?? [];
export const language = [chosen.language, ...asked].map(base).find((code) => code in LANGUAGES) ?? "en";
/** The reader's own kind of the language, where the browser names one: it says how times and figures look. */
export const locale = asked.find((tag) => base(tag) === language) ?? language;

const plurals = new Intl.PluralRules(locale);
const numbers = new Intl.NumberFormat(locale);
const lists = new Intl.ListFormat(locale);
const root = globalThis.document?.documentElement;
if (root) Object.assign(root, { lang: language, dir: LANGUAGES[language].dir });

/** @type {Object<string, string|Object<string, string>>} */
const messages = {};
const loads = new Map();

/** Have the words of a part. @param {string} [part]  none: those of the first page */
export function load(part = "") {
  if (!loads.has(part)) loads.set(part, fetchPart(part));
  return loads.get(part);
}

async function fetchPart(part) {
  try {
    const catalogue = await LANGUAGES[language].load();
    Object.assign(messages, (part ? await catalogue.parts[part]() : catalogue).default);
  } catch (error) {
    // The next one who wants it asks again.
    loads.delete(part);
    throw error;
  }
}

/**
 * A module that is loaded when it is wanted, and the part of the words that it says.
 * @template T  @param {string} part  @param {Promise<T>} module  @returns {Promise<T>}
 */
export async function withWords(part, module) {
  return (await Promise.all([module, load(part)]))[0];
}

/** Whether there are words for this, and they are loaded. @param {string} key */
export const says = (key) => key in messages;

/**
 * The words of a key. Each {name} in them is taken from `params`: a text, a number, or texts as a list. `count` says
 * which form of a plural is right.
 * @param {string} key  @param {Object<string, string|number|string[]>} [params]
 */
export function t(key, params = {}) {
  // What went wrong may have to be said before its words are there.
  const found = messages[key] ?? messages.failed;
  const words = typeof found === "string" ? found : found[plurals.select(params.count)];
  return words.replace(/\{(\w+)\}/g, (_, name) => listed(params[name]));
}

/** ada, bob, and eve; or a single text or number. @param {string|number|string[]} value  @returns {string} */
export function listed(value) {
  if (Array.isArray(value)) return lists.format(value.map(listed));
  if (typeof value === "number") return numbers.format(value);
  // What may be written from right to left turns nothing around it.
  return RIGHT_TO_LEFT.test(value) ? `\u2068${value}\u2069` : value;
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200e-\u202e\u2066-\u2069\ufb1d-\ufeff\ud802\ud803\ud83a\ud83b]/;

// It is on its way while the other modules still come.
load().catch(() => {});
