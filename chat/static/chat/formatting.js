/**
 * What a message's text means: the subset of Markdown of docs/formatting.md, with links and names. Pure: it finds the
 * parts, views/formatted.js makes the elements. It looks at each character a fixed number of times, whatever is sent.
 * The server finds the code in a text by the same rules (chat/domain/formatting.py).
 *
 * @typedef {{kind: "paragraph", children: Inline[]} | {kind: "code", text: string, language: string, from: number, to: number}
 *   | {kind: "quote", children: Block[]} | {kind: "list", isOrdered: boolean, items: Item[]}} Block
 * @typedef {{number: number, children: Inline[], lists: Block[]}} Item
 * @typedef {string | {kind: "bold"|"italic"|"strike", children: Inline[]} | {kind: "name", text: string, name: string}
 *   | {kind: "code", text: string, from: number, to: number}
 *   | {kind: "link", href: string, address: string, children: Inline[]}} Inline
 * @typedef {{from: number, to: number}} Span  places in the text, `to` behind the last one
 */

import { folded, nameAtStart, SPACELESS } from "./names.js";

const MAX_QUOTES = 3;
const MAX_LISTS = 3;
const FENCE = /^ {0,3}(`{3,})([^`]*)$/;
const FENCE_END = /^ {0,3}(`{3,})[ \t]*$/;
const ITEM = /^([ \t]*)(?:([-*+])|(\d{1,3})[.)])[ \t]+(?=\S)/;
const TICKS = /`+/g;
const ESCAPED = "`*~[>";
const MARKS = { "*": "italic", "**": "bold", _: "italic", "~~": "strike" };

// What a link is made of: nothing that runs, nothing local. Full-width punctuation ends it, since no blank follows that.
const ENDS = String.raw`\s<>"'\`\u3000-\u303F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65`;
const BARE = new RegExp(String.raw`^https?:\/\/[^${ENDS}]+`, "i");
const TARGET = new RegExp(String.raw`[^${ENDS}[\]]+`, "y");
const MAILTO = /^mailto:[^\s@?]+@[^\s@?]+$/i;
const ENDINGS = /[.,;:!?…’”»›*_~]/;
const BRACKETS = { ")": "(", "]": "[", "}": "{" };
const ADDRESS = /:\/\/|@|[\p{L}\p{N}][.。｡][\p{L}\p{N}-]*\p{L}/u;
const IGNORED = /[\p{Default_Ignorable_Code_Point}\p{Cc}\s]/gu;

// Before a name: nothing that makes it a part of an address. The server tells people by the same rule (chat/domain/mentions.py).
const BEFORE_NAME = /[A-Za-z0-9@._%+\-/\\\u00C0-\u058F\u1E00-\u1FFF]/;
const WORD = /[\p{L}\p{M}\p{N}]/u;

/**
 * @param {string} text
 * @param {string[]} [mentions]  whom the message mentions, as the server says: no other name is one
 * @param {{steps: number}} [work]  counts what was looked at
 * @returns {Block[]}
 */
export function parse(text, mentions = [], work = { steps: 0 }) {
  const names = new Map(mentions.map((name) => [folded(name), name]));
  return new Parser(text, names, work).blocks(linesOf(text), 0);
}

/** @returns {Span[]} */
function linesOf(text) {
  const lines = [];
  let from = 0;
  for (const line of text.split("\n")) {
    lines.push({ from, to: from + line.length - (line.endsWith("\r") ? 1 : 0) });
    from += line.length + 1;
  }
  return lines;
}

class Parser {
  constructor(text, names, work) {
    this.text = text;
    this.names = names;
    this.work = work;
  }

  // -- Blocks --

  /** @param {Span[]} lines  without the signs of the quotes around them  @param {number} depth  of quotes */
  blocks(lines, depth) {
    const blocks = [];
    let paragraph = [];
    const end = () => {
      if (paragraph.length > 0) blocks.push({ kind: "paragraph", children: this.lines(paragraph) });
      paragraph = [];
    };
    for (let at = 0; at < lines.length; ) {
      const [block, next] = this.block(lines, at, depth);
      if (block) {
        end();
        blocks.push(block);
      } else if (paragraph.length > 0 || lines[at].to > lines[at].from) paragraph.push(lines[at]);
      at = next;
    }
    end();
    return blocks;
  }

  /** The block other than a paragraph that begins with a line, or null, and the line to go on from. */
  block(lines, at, depth) {
    const line = this.line(lines[at]);
    const fence = FENCE.exec(line);
    if (fence) return this.fenced(lines, at, fence);
    let next = at;
    if (depth < MAX_QUOTES) while (next < lines.length && this.quoted(lines[next])) next += 1;
    if (next > at) {
      const inner = lines.slice(at, next).map((each) => this.quoted(each));
      return [{ kind: "quote", children: this.blocks(inner, depth + 1) }, next];
    }
    return ITEM.test(line) ? this.list(lines, at) : [null, at + 1];
  }

  line({ from, to }) {
    this.work.steps += to - from + 1;
    return this.text.slice(from, to);
  }

  /** A quote's line without its sign; null for any other. */
  quoted({ from, to }) {
    this.work.steps += 1;
    if (from === to || this.text[from] !== ">") return null;
    if (from + 1 === to) return { from: to, to };
    const next = this.text[from + 1];
    return next === " " || next === ">" ? { from: from + (next === " " ? 2 : 1), to } : null;
  }

  /** A code block: until as many backticks stand alone in a line, or nothing is left. */
  fenced(lines, first, [line, ticks, info]) {
    let last = first + 1;
    const isEnd = (each) => (FENCE_END.exec(this.line(each))?.[1].length ?? 0) >= ticks.length;
    while (last < lines.length && !isEnd(lines[last])) last += 1;
    const from = lines[first].from + line.indexOf("`");
    const { to } = lines[Math.min(last, lines.length - 1)];
    const text = lines
      .slice(first + 1, last)
      .map((each) => this.line(each))
      .join("\n");
    const language = /^[\w+#.-]{1,32}/.exec(info.trim())?.[0] ?? "";
    return [{ kind: "code", text, language, from, to }, last + 1];
  }

  /** A list, with the lists inside of its items: what is two blanks further in than the item above belongs to that. */
  list(lines, first) {
    const found = ITEM.exec(this.line(lines[first]));
    const isOrdered = found[3] !== undefined;
    const list = { kind: "list", isOrdered, items: [] };
    /** @type {{indent: number, list: any}[]} */
    const open = [{ indent: width(found[1]), list }];
    let at = first;
    for (; at < lines.length; at += 1) {
      const item = ITEM.exec(this.line(lines[at]));
      if (!item) break;
      const indent = width(item[1]);
      const kind = item[3] !== undefined;
      while (open.length > 1 && indent < open.at(-1).indent) open.pop();
      if (at > first && indent >= open.at(-1).indent + 2 && open.length < MAX_LISTS) open.push({ indent, list: null });
      const level = open.at(-1);
      if (level.list?.isOrdered !== kind) {
        if (open.length === 1) break;
        level.list = { kind: "list", isOrdered: kind, items: [] };
        open.at(-2).list.items.at(-1).lists.push(level.list);
      }
      const children = this.inline(lines[at].from + item[0].length, lines[at].to, true);
      level.list.items.push({ number: Number(item[3] ?? 0), children, lists: [] });
    }
    return [list, at];
  }

  /** The lines of a paragraph, without empty ones at its end. */
  lines(lines) {
    let count = lines.length;
    while (count > 1 && lines[count - 1].from === lines[count - 1].to) count -= 1;
    const found = [];
    for (const { from, to } of lines.slice(0, count)) {
      if (from !== lines[0].from) add(found, "\n");
      for (const part of this.inline(from, to, true)) add(found, part);
    }
    return found;
  }

  // -- Within a line --

  /** @returns {Inline[]} */
  inline(from, to, canLink) {
    const fixed = this.code(from, to);
    const spans = canLink ? this.links(from, to, fixed) : fixed;
    const line = new Line();
    let at = from;
    let next = 0;
    while (at < to) {
      this.work.steps += 1;
      const span = spans[next];
      const limit = span ? span.from : to;
      if (at === limit) {
        line.add(this.made(span));
        at = span.to;
        next += 1;
      } else at = this.sign(line, at, limit, { from, to, canLink });
    }
    return line.tree();
  }

  made({ kind, from, to, inner, href }) {
    if (kind === "link") return this.linkTo(href, this.inline(inner.from, inner.to, false));
    let text = this.text.slice(inner.from, inner.to);
    if (text.length > 2 && text.startsWith(" ") && text.endsWith(" ") && text.trim() !== "") text = text.slice(1, -1);
    return { kind, text, from, to };
  }

  /** Take what stands at a place, up to `limit`. Returns where to go on. */
  sign(line, at, limit, { from, to, canLink }) {
    const char = this.text[at];
    if (char === "\\" && at + 1 < limit && ESCAPED.includes(this.text[at + 1])) {
      line.add(this.text[at + 1]);
      return at + 2;
    }
    if (char === "*" || char === "_" || char === "~") {
      let end = at;
      while (end < to && this.text[end] === char) end += 1;
      this.work.steps += end - at;
      line.mark(char, end - at, before(this.text, from, at), after(this.text, end, to));
      return end;
    }
    if (char === "@" && this.names.size > 0 && !(at > 0 && BEFORE_NAME.test(this.text[at - 1]))) {
      const found = nameAtStart(this.text.slice(at + 1, limit), this.names);
      if (found) {
        const end = at + 1 + found.length;
        line.add({ kind: "name", text: this.text.slice(at, end), name: found.name });
        return end;
      }
    }
    if (canLink && (char === "h" || char === "H")) {
      const whole = BARE.exec(this.text.slice(at, limit))?.[0];
      if (whole) {
        this.work.steps += whole.length;
        const link = trimmed(whole, this.work);
        const isLink = safe(link) !== null;
        line.add(isLink ? { kind: "link", href: link, address: "", children: [link] } : whole);
        return at + (isLink ? link.length : whole.length);
      }
    }
    line.add(char);
    return at + 1;
  }

  /** Code: from so many backticks to the next that are as many. A backslash takes the meaning of the one behind it. */
  code(from, to) {
    const runs = [...this.text.slice(from, to).matchAll(TICKS)].map((match) => ({
      from: from + match.index,
      to: from + match.index + match[0].length,
    }));
    /** The places of runs of a length, the next one last. @type {Map<number, number[]>} */
    const byLength = new Map();
    for (let index = runs.length - 1; index >= 0; index -= 1) {
      const length = runs[index].to - runs[index].from;
      if (!byLength.has(length)) byLength.set(length, []);
      byLength.get(length).push(runs[index].from);
    }
    this.work.steps += to - from + 1;
    const found = [];
    let done = from;
    for (const run of runs) {
      if (run.from < done) continue;
      const opens = run.from > done && this.text[run.from - 1] === "\\" ? run.from + 1 : run.from;
      const length = run.to - opens;
      const same = byLength.get(length) ?? [];
      while (same.length > 0 && same.at(-1) <= opens) same.pop();
      if (length === 0 || same.length === 0) continue;
      done = same.at(-1) + length;
      found.push({ kind: "code", from: opens, to: done, inner: { from: run.to, to: same.at(-1) } });
    }
    return found;
  }

  /** The code of a line and its links with words of their own, `[words](address)`, in order. */
  links(from, to, code) {
    const found = [];
    let opening = -1;
    let next = 0;
    for (let at = from; at < to; at += 1) {
      this.work.steps += 1;
      if (at === code[next]?.from) {
        found.push(code[next]);
        at = code[next].to - 1;
        next += 1;
        continue;
      }
      const char = this.text[at];
      if (char === "\\") at += ESCAPED.includes(this.text[at + 1]) && this.text[at + 1] !== "`" ? 1 : 0;
      else if (char === "[") opening = at;
      else if (char === "]" && opening >= 0) {
        const link = this.text[at + 1] === "(" ? this.target(opening, at, to) : null;
        if (link) {
          while (found.length > 0 && found.at(-1).from > opening) found.pop(); // it is in the words
          found.push(link);
          at = link.to - 1;
        }
        opening = -1;
      }
    }
    return found;
  }

  /** The link whose words stand between two places, if a good address in round brackets follows. */
  target(opening, closing, to) {
    TARGET.lastIndex = closing + 2;
    const match = TARGET.exec(this.text);
    const words = this.text.slice(opening + 1, closing);
    if (!match || words.replace(IGNORED, "") === "") return null;
    let depth = 0;
    let length = 0;
    for (; length < match[0].length; length += 1) {
      this.work.steps += 1;
      const char = match[0][length];
      depth += char === "(" ? 1 : char === ")" ? -1 : 0;
      if (depth < 0) break;
    }
    const href = match[0].slice(0, length);
    const end = closing + 2 + length + 1;
    if (depth >= 0 || end > to || safe(href) === null) return null;
    return { kind: "link", from: opening, to: end, inner: { from: opening + 1, to: closing }, href };
  }

  linkTo(href, children) {
    const words = plain(children);
    return { kind: "link", href, address: isOther(words, href) ? shown(href) : "", children };
  }
}

/** The parts of a line in the making: signs of bold, italic and strike wait for their second half. */
class Line {
  constructor() {
    /** @type {({part: Inline} | {mark: string, opens: boolean, isPaired: boolean})[]} */
    this.items = [];
    /** By sign: which item opened it. None is open twice, so no more than four are open at once. @type {Map<string, number>} */
    this.open = new Map();
  }

  add(part) {
    this.items.push({ part });
  }

  mark(char, count, previous, following) {
    const run = char.repeat(count);
    const marks = run in MARKS ? [run] : run === "***" ? ["**", "*"] : [];
    const canClose = !isBlank(previous) && !isWord(following) && previous !== "\\";
    if (canClose && marks.some((mark) => this.open.has(mark))) {
      // Who was opened last is closed first.
      marks.sort((one, other) => (this.open.get(other) ?? -1) - (this.open.get(one) ?? -1));
      for (const mark of marks) this.close(mark);
    } else if (marks.length > 0 && !isBlank(following) && !isWord(previous) && previous !== "\\") {
      for (const mark of marks) {
        this.open.set(mark, this.items.length);
        this.items.push({ mark, opens: true, isPaired: false });
      }
    } else this.add(run);
  }

  close(mark) {
    const opened = this.open.get(mark);
    if (opened === undefined) {
      this.add(mark);
      return;
    }
    for (const [other, at] of this.open) if (at >= opened) this.open.delete(other);
    this.items[opened].isPaired = true;
    this.items.push({ mark, opens: false, isPaired: true });
  }

  /** @returns {Inline[]} */
  tree() {
    const open = [{ children: [] }];
    for (const item of this.items) {
      const { children } = open.at(-1);
      if (!("mark" in item)) add(children, item.part);
      else if (!item.isPaired) add(children, item.mark);
      else if (item.opens) open.push({ kind: MARKS[item.mark], children: [] });
      else open.at(-2).children.push(open.pop());
    }
    return open[0].children;
  }
}

/** Text behind text is one text. */
function add(parts, part) {
  if (typeof part === "string" && typeof parts.at(-1) === "string") parts[parts.length - 1] += part;
  else parts.push(part);
}

function width(blanks) {
  return blanks.replaceAll("\t", "    ").length;
}

/** The character before a place, "" at the start of the line. */
function before(text, from, at) {
  const isPair = at - 2 >= from && /[\uDC00-\uDFFF]/.test(text[at - 1]);
  return text.slice(Math.max(from, isPair ? at - 2 : at - 1), at);
}

function after(text, at, to) {
  return at < to ? String.fromCodePoint(text.codePointAt(at)) : "";
}

function isBlank(char) {
  return char.trim() === "";
}

/** Whether a sign beside this character may be inside of a word. */
function isWord(char) {
  return WORD.test(char) && !SPACELESS.test(char);
}

/** All text of some parts. @param {Inline[]} parts */
function plain(parts) {
  return parts.map((part) => (typeof part === "string" ? part : (part.text ?? plain(part.children)))).join("");
}

// -- Links --

/** A link without what belongs to the sentence around it: punctuation, and brackets that it did not open. */
function trimmed(link, work) {
  const counts = new Map();
  for (const char of link) if (/[()[\]{}]/.test(char)) counts.set(char, (counts.get(char) ?? 0) + 1);
  work.steps += link.length;
  let end = link.length;
  for (; end > 0; end -= 1) {
    const char = link[end - 1];
    const isUnopened = char in BRACKETS && counts.get(char) > (counts.get(BRACKETS[char]) ?? 0);
    if (!ENDINGS.test(char) && !isUnopened) break;
    if (counts.has(char)) counts.set(char, counts.get(char) - 1);
  }
  return link.slice(0, end);
}

/**
 * An address that may be followed, or null: of a page, or to write a mail to. One with a name before its host is none,
 * since that name is taken for the host.
 */
function safe(href) {
  if (MAILTO.test(href)) return href;
  if (!/^https?:\/\/./i.test(href)) return null;
  try {
    const { username, password } = new URL(href);
    return username === "" && password === "" ? href : null;
  } catch {
    return null;
  }
}

/** Whether words look like an address, and not like this one. */
function isOther(words, href) {
  const said = words.normalize("NFKC").replace(IGNORED, "");
  return ADDRESS.test(said) && bare(said) !== bare(href);
}

function bare(address) {
  return address
    .toLowerCase()
    .replace(/^(?:https?:\/\/|mailto:)/, "")
    .replace(/^www\./, "")
    .replace(/\/$/, "");
}

/** An address as it is shown: letters of a host that look like others show what they are. */
function shown(href) {
  return MAILTO.test(href) ? href.slice("mailto:".length) : new URL(href).href;
}
