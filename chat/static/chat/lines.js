/** Lines that several views say: about people who write, people who reacted, files. */

import { listed, t } from "./words.js";

const NAMED = 20;

/** ada is typing; ada and bob are typing; several people are typing. @param {string[]} names */
export function typingLine(names) {
  if (names.length > 3) return t("many_typing");
  return names.length === 0 ? "" : t("typing", { names, count: names.length });
}

/** ada, bob and 12 others. @param {string[]} names */
export function peopleLine(names) {
  const more = names.length - NAMED;
  return listed(more > 0 ? [...names.slice(0, NAMED), t("others", { count: more })] : names);
}

/** @param {{name: string}[]} [files] */
export const fileNames = (files = []) => files.map(({ name }) => name).join(", ");

/** With its first letter made large. @param {string} text */
export function capital(text) {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}
