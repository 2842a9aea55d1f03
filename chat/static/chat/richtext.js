/**
 * What in a message's text is more than text: links and names. Pure: it finds the parts, views make the elements.
 */

import { folded, nameAtStart } from "./names.js";

// http(s) only: nothing that runs, nothing local. Full-width punctuation ends a link, since no blank follows it.
const LINK = String.raw`https?:\/\/[^\s<>"'\`\u3000-\u303F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65]+`;
// Not after what makes it a part of an address. The server tells people by the same rule (chat/domain/mentions.py).
const AT = String.raw`(?<![A-Za-z0-9@._%+\-/\\\u00C0-\u058F\u1E00-\u1FFF])@`;
const PART = new RegExp(`(${LINK})|${AT}`, "gi");
const ENDINGS = /[.,;:!?…’”»›]$/;
const BRACKETS = { ")": "(", "]": "[", "}": "{" };

/** A link without what belongs to the sentence around it: punctuation, and brackets that it did not open. */
function trimmed(link) {
  let found = link;
  while (ENDINGS.test(found) || isUnopened(found)) found = found.slice(0, -1);
  return /^https?:\/\/./i.test(found) ? found : "";
}

function isUnopened(link) {
  const closing = link.at(-1);
  const opening = BRACKETS[closing];
  return opening !== undefined && link.split(closing).length > link.split(opening).length;
}

/**
 * @param {string} text
 * @param {string[]} [mentions]  whom the message mentions, as the server says: no other name is one
 * @returns {{kind: "text"|"link"|"name", text: string, name?: string}[]} the parts, which put together are the text
 *   again; `name`: who is meant
 */
export function partsOf(text, mentions = []) {
  const names = new Map(mentions.map((name) => [folded(name), name]));
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(PART)) {
    const part = match[1] ? linkIn(match[1]) : nameIn(text, match.index, names);
    if (part === null) continue;
    if (match.index > end) parts.push({ kind: "text", text: text.slice(end, match.index) });
    parts.push(part);
    end = match.index + part.text.length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}

function linkIn(match) {
  const text = trimmed(match);
  return text === "" ? null : { kind: "link", text };
}

function nameIn(text, at, names) {
  const found = names.size > 0 ? nameAtStart(text.slice(at + 1), names) : null;
  return found && { kind: "name", text: text.slice(at, at + 1 + found.length), name: found.name };
}
