/** Names of people in texts, by the server's rules (accounts/names.py, chat/domain/mentions.py). Pure. */

/** Longest first: what one character is stored as may be typed as four. */
const MAX_TYPED = 128;
const INSIDE = /[_.-]/;
const OF_A_NAME = /^[\p{L}\p{M}\p{Nd}〇_.-]+$/u;
const ASCII_OF_A_NAME = /^[A-Za-z0-9_.-]$/;
const MARK = /^[\p{M}\u1160-\u11FF]/u;
const LETTER = /\p{L}/u;
const LATIN = /\p{Script=Latin}/u;
/** A letter of a script that writes no blanks between words, or (Hangul) glues particles to them. */
export const SPACELESS = new RegExp(
  "[" +
    "Han Hiragana Katakana Bopomofo Hangul Thai Lao Khmer Myanmar Tibetan Yi Javanese Balinese"
      .split(" ")
      .map((script) => `\\p{Script=${script}}`)
      .join("") +
    "]",
  "u",
);

/** The form in which names are compared, as the server folds it. @param {string} name */
export function folded(name) {
  // Case folding, which JavaScript has no word for: up and down again; but a dotless i would come down with a dot.
  const even = (text) =>
    text
      .normalize("NFKC")
      .replace(/[^ıİ]+/gu, (part) => part.toUpperCase().toLowerCase())
      .replaceAll("İ", "i\u0307")
      .replaceAll("ς", "σ")
      .normalize("NFKC");
  return even(even(name));
}

/** Whether a name may end between these two characters of a text; `next` "": the text ends. */
function canEnd(letter, next) {
  if (INSIDE.test(letter) || next === "@") return false;
  if (next === "" || INSIDE.test(next)) return true;
  if (MARK.test(next)) return false;
  if (!isOfAName(next) || SPACELESS.test(letter) || SPACELESS.test(next)) return true;
  return LETTER.test(letter) && LETTER.test(next) && LATIN.test(letter) !== LATIN.test(next);
}

function isOfAName(char) {
  const stored = char.normalize("NFKC");
  return stored.length === 1 && stored < "\u0080" ? ASCII_OF_A_NAME.test(stored) : OF_A_NAME.test(stored);
}

/** Whether a name has the length and the characters of one, before the server is asked. @param {string} name */
export function isPossible(name) {
  const stored = name.normalize("NFKC");
  const { length } = [...stored];
  return length >= 2 && length <= 32 && OF_A_NAME.test(stored) && !/^[_.-]|[_.-]$/.test(stored);
}

/**
 * The longest of these names with which a text begins, behind an @.
 * @param {string} text  @param {Map<string, string>} names  by folded name
 * @returns {{name: string, length: number}|null} the name, and how much of the text it takes
 */
export function nameAtStart(text, names) {
  let length = 0;
  let letter = "";
  let found = null;
  const chars = [...text.slice(0, 2 * MAX_TYPED)].slice(0, MAX_TYPED);
  for (let at = 0; at < chars.length && isOfAName(chars[at]); at += 1) {
    length += chars[at].length;
    // A mark belongs to the letter before it.
    letter = MARK.test(chars[at]) ? letter + chars[at] : chars[at];
    if (!canEnd(letter, chars[at + 1] ?? "")) continue;
    const name = names.get(folded(text.slice(0, length)));
    if (name !== undefined) found = { name, length };
  }
  return found;
}
