/**
 * What in a message's text is more than text: links and names. Pure: it finds the parts, views make the elements.
 */

// http(s) only: nothing that runs, nothing local. Full-width punctuation ends a link, since no blank follows it.
const LINK = String.raw`https?:\/\/[^\s<>"'\`\u3000-\u303F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65]+`;
// Not after what makes it a part of an address. The server tells people by the same rule (chat/domain/rules.py).
const NAME = String.raw`(?<![A-Za-z0-9@._%+\-/\\\u00C0-\u058F\u1E00-\u1FFF])@[A-Za-z0-9]{3,32}(?![A-Za-z0-9@])`;
const PART = new RegExp(`(${LINK})|(${NAME})`, "gi");
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
 * @returns {{kind: "text"|"link"|"name", text: string}[]} the parts, which put together are the text again
 */
export function partsOf(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(PART)) {
    const found = match[1] ? trimmed(match[1]) : match[2];
    if (found === "") continue;
    if (match.index > end) parts.push({ kind: "text", text: text.slice(end, match.index) });
    parts.push({ kind: match[1] ? "link" : "name", text: found });
    end = match.index + found.length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}
