/**
 * What in a message's text is more than text: links and names. Pure: it finds the parts, views make the elements.
 */

// http(s) only: nothing that runs, nothing local. A full stop or bracket at the end belongs to the sentence.
const PART =
  /(https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}])|(?<![A-Za-z0-9@])@([A-Za-z0-9]{3,32})(?![A-Za-z0-9])/g;

/**
 * @param {string} text
 * @returns {{kind: "text"|"link"|"name", text: string}[]} the parts, which put together are the text again
 */
export function partsOf(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(PART)) {
    if (match.index > end) parts.push({ kind: "text", text: text.slice(end, match.index) });
    parts.push({ kind: match[1] ? "link" : "name", text: match[0] });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}
