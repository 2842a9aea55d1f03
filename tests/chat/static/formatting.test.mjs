// What a message's text means and becomes: the examples of docs/formatting.json, safe links, and work that stays linear.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parse } from "../../../chat/static/chat/formatting.js";
import { formatted } from "../../../chat/static/chat/views/formatted.js";
import { load } from "../../../chat/static/chat/words.js";
import { fakeDocument, htmlOf } from "./support.mjs";

await load();

globalThis.document = fakeDocument;
const EXAMPLES = JSON.parse(readFileSync(new URL("../../../docs/formatting.json", import.meta.url), "utf8"));

const html = (text, mentions) => formatted(text, mentions).map(htmlOf).join("");
const made = (text, mentions = [], me = "") => formatted(text, mentions, me).flatMap((block) => block.all);
const links = (text) => made(text).filter(({ tag }) => tag === "a");
const hrefs = (text) => links(text).map(({ attributes }) => attributes.href);
const marked = (text, mentions) =>
  made(text, mentions)
    .filter(({ attributes }) => attributes.class === "name")
    .map((each) => each.text);

test("the examples of the specification look as it says", () => {
  for (const { text, mentions, html: wanted } of EXAMPLES) assert.equal(html(text, mentions), wanted, text);
  assert.ok(EXAMPLES.length > 40);
});

test("a text without formatting stays as it is, whatever it holds", () => {
  const texts = ["", "plain", "<a href=https://x.y>z</a>", "a\u0000b", "\ud83d\ude00 \u202e", "@ab @@abc @ADA.", "1) ", "1.5", "~"];
  for (const text of texts) assert.equal(formatted(text, ["ada"]).map((each) => each.text).join(""), text);
});

test("only http, https and mailto become links, without the full stop of the sentence", () => {
  assert.deepEqual(hrefs("see https://example.org/a, (http://b.org/c)."), ["https://example.org/a", "http://b.org/c"]);
  const others = ["javascript:alert(1)", "data:text/html,hi", "file:///etc", "ftp://x.org", "//x.org", "JaVaScRiPt:x", "x"];
  for (const other of others) {
    assert.deepEqual(hrefs(other), []);
    assert.deepEqual(hrefs(`[words](${other})`), []);
  }
  assert.deepEqual(hrefs("[mail](mailto:ada@example.org?cc=all@example.org)"), []);
});

// A link to an encyclopedia lost its last bracket; one in a Japanese sentence took the rest of the sentence along.
test("a link keeps its own brackets and ends with the sentence, in any script", () => {
  for (const [text, link] of [
    ["https://en.wikipedia.org/wiki/Tea_(drink)", "https://en.wikipedia.org/wiki/Tea_(drink)"],
    ["(see https://en.wikipedia.org/wiki/Tea_(drink))", "https://en.wikipedia.org/wiki/Tea_(drink)"],
    ["[https://a.org/x[1]].", "https://a.org/x[1]"],
    ["見て https://a.org/茶。それから", "https://a.org/茶"],
    ["（https://a.org/b）", "https://a.org/b"],
    ["「https://a.org」、", "https://a.org"],
    ["HTTPS://EXAMPLE.org/A", "HTTPS://EXAMPLE.org/A"],
    ["“https://a.org/b”…", "https://a.org/b"],
    ["https://a.org/b?c=(d)&e=f!", "https://a.org/b?c=(d)&e=f"],
    ["***https://a.org/b***~~", "https://a.org/b"],
  ])
    assert.deepEqual(hrefs(text), [link], text);
  assert.deepEqual(hrefs("https://... http://)"), []);
});

test("a link opens another page, which learns nothing of this one", () => {
  for (const { attributes } of links("https://a.org [words](https://b.org) [mail](mailto:a@b.org)")) {
    assert.match(attributes.rel, /noopener noreferrer/);
    assert.equal(attributes.target, "_blank");
  }
});

test("words that look like another address stand with the real one", () => {
  const shown = (words, address = "https://evil.example/x") => links(`[${words}](${address})`).map((link) => link.text);
  for (const words of ["https://bank.org", "bank.org", "www.bank.org/login", "bank\u3002org", "ｂａｎｋ．ｏｒｇ", "bank\u200b.org", "a@bank.org", "**bank**.org"])
    assert.match(shown(words)[0], /\(https:\/\/evil\.example\/x\)$/, words);
  assert.deepEqual(shown("the bank"), ["the bank"]);
  assert.deepEqual(shown("evil.example/x"), ["evil.example/x"]);
  assert.deepEqual(shown("a@b.org", "mailto:a@b.org"), ["a@b.org"]);
  assert.deepEqual(shown("a@b.org", "mailto:c@b.org"), ["a@b.org (c@b.org)"]);
  // The а of it is Cyrillic.
  assert.equal(links("https://\u0430pple.com/")[0].attributes.title, "https://xn--pple-43d.com/");
});

test("names are those that the server found in the message, and no others", () => {
  assert.deepEqual(marked("@ada, (@bob2) @eve mail@example.org", ["ada", "bob2"]), ["@ada", "@bob2"]);
  assert.deepEqual(marked("@ada @adamant @ada2 @Ada.", ["ada"]), ["@ada", "@Ada"]);
  assert.deepEqual(marked("@ada @nobody", []), []);
  assert.deepEqual(
    marked("https://a.org/@ada www.a.org/@ada .@ada _@ada @ada@b.org josé@ada.org", ["ada", "ada.org"]),
    [],
  );
  assert.deepEqual(marked("你好@ada，@bob!", ["ada", "bob"]), ["@ada", "@bob"]);
  const me = made("@Ada", ["ada"], "ada").filter(({ tag }) => tag === "bdi");
  assert.deepEqual(
    me.map(({ attributes }) => attributes.class),
    ["name is-me"],
  );
});

test("of the names that a place begins with the longest is meant, in any script and form", () => {
  assert.deepEqual(marked("@ada.lovelace-x", ["ada", "ada.lovelace"]), ["@ada.lovelace"]);
  assert.deepEqual(marked("@太郎さん、@太郎", ["太郎"]), ["@太郎", "@太郎"]);
  assert.deepEqual(marked("@太郎さん", ["太郎", "太郎さん"]), ["@太郎さん"]);
  assert.deepEqual(marked("@김민수는 @иван, @ИВАНОВ", ["김민수", "Иван"]), ["@김민수", "@иван"]);
  assert.deepEqual(marked("و@محمد،", ["محمد"]), ["@محمد"]);
  assert.deepEqual(marked("@สมชายครับ @เก่ง", ["สมชาย", "เก"]), ["@สมชาย"]);
  assert.deepEqual(marked("@STRASSE @Jose\u0301!", ["Straße", "José"]), ["@STRASSE", "@Jose\u0301"]);
  assert.deepEqual(marked("@\u{104b0}\u{104b1} x", ["\u{104b0}\u{104b1}"]), ["@\u{104b0}\u{104b1}"]);
});

test("code can be copied, also where there is no clipboard", async (context) => {
  const later = context.mock.method(globalThis, "setTimeout", () => 0).mock;
  const button = made("```\na\n b\n```").find(({ tag }) => tag === "button");
  const copied = [];
  const clipboard = { writeText: async (text) => copied.push(text) };
  Object.defineProperty(globalThis, "navigator", { value: { clipboard }, configurable: true });
  await button.handlers.click();
  assert.deepEqual([copied, button.textContent], [["a\n b"], "Copied"]);
  later.calls[0].arguments[0]();
  assert.equal(button.textContent, "Copy");
  const selected = [];
  globalThis.getSelection = () => ({ selectAllChildren: ({ text }) => selected.push(text) });
  clipboard.writeText = () => Promise.reject(new Error("forbidden"));
  await button.handlers.click();
  assert.deepEqual([selected, button.textContent], [["a\n b"], "Selected"]);
});

/** Texts that make a careless reader start again and again. */
const HOSTILE = {
  stars: (n) => "*".repeat(n),
  "openings of bold": (n) => "**a ".repeat(n / 4),
  "bold in bold": (n) => "**a ".repeat(n / 8) + " a**".repeat(n / 8),
  "all signs": (n) => "*a _b ~~c **d ".repeat(n / 14) + "* _ ~~ ** ".repeat(n / 20),
  "stars in words": (n) => "a*".repeat(n / 2),
  brackets: (n) => "[".repeat(n),
  "closed brackets": (n) => "[".repeat(n / 2) + "]".repeat(n / 2),
  "links without an end": (n) => "[a](https://b".repeat(n / 13),
  "links with brackets": (n) => "[a](https://b" + "(".repeat(n),
  "links beside addresses": (n) => "https://a[x](https://b)".repeat(n / 23),
  "addresses with a name": (n) => "https://x@".repeat(n / 10),
  "address of brackets": (n) => "https://a" + ")".repeat(n),
  addresses: (n) => "https://a.b ".repeat(n / 12),
  "half addresses": (n) => "https:".repeat(n / 6),
  backticks: (n) => "`".repeat(n),
  "backticks of all lengths": (n) => Array.from({ length: Math.sqrt(2 * n) }, (_, index) => "`".repeat(index + 1)).join(" "),
  "backticks and words": (n) => "`a``b".repeat(n / 5),
  "escaped backticks": (n) => "\\`".repeat(n / 2),
  fences: (n) => "```\n".repeat(n / 4),
  "longer and longer fences": (n) => Array.from({ length: Math.sqrt(2 * n) }, (_, index) => "`".repeat(index + 3)).join("\n"),
  quotes: (n) => ">".repeat(n),
  "quotes with blanks": (n) => "> ".repeat(n / 2),
  "quotes in lines": (n) => ">>>> a\n".repeat(n / 7),
  "quotes around fences": (n) => "> ```\n>> `\n".repeat(n / 11),
  items: (n) => "- \n".repeat(n / 3),
  "deep items": (n) => Array.from({ length: Math.sqrt(n) }, (_, index) => " ".repeat(index) + "- a").join("\n"),
  blanks: (n) => " ".repeat(n),
  lines: (n) => "\n".repeat(n),
  names: (n) => "@ada".repeat(n / 4),
  "names without blanks": (n) => "@" + "太".repeat(n),
  backslashes: (n) => "\\".repeat(n),
};

test("law: twice the text is at most twice the work, and little work per character", () => {
  for (const [name, text] of Object.entries(HOSTILE)) {
    const work = (n) => {
      const done = { steps: 0 };
      parse(text(n), ["ada", "太"], done);
      return done.steps;
    };
    const [one, two] = [work(4_000), work(8_000)];
    assert.ok(one <= 16 * text(4_000).length + 50, `${name}: ${one} steps`);
    assert.ok(two <= 2.2 * one + 50, `${name}: ${one} steps, then ${two}`);
  }
});

test("law: elements are not nested deeper than a page can bear", () => {
  const depth = (node) => 1 + Math.max(0, ...node.children.map((child) => (child.children ? depth(child) : 0)));
  for (const [name, text] of Object.entries(HOSTILE))
    for (const block of formatted(text(4_000))) assert.ok(depth(block) <= 16, name);
});
