/** A message's text as elements: what formatting.js finds in it, and nothing else. Loaded when a text is first shown. */

import { h } from "../dom.js";
import { parse } from "../formatting.js";
import { t } from "../words.js";
import { copyText } from "./clipboard.js";

const TAGS = { bold: "strong", italic: "em", strike: "s" };
const COPIED_MS = 2_000;

/**
 * @param {string} text
 * @param {string[]} [mentions]  whom the message mentions
 * @param {string} [me]  who reads it
 * @returns {HTMLElement[]} blocks
 */
export function formatted(text, mentions = [], me = "") {
  return parse(text, mentions).map((block) => blockOf(block, me, "auto"));
}

/** @param {import("../formatting.js").Block} block  @param {string|null} dir  of a block that is in no other one */
function blockOf(block, me, dir) {
  switch (block.kind) {
    case "code":
      return codeOf(block);
    case "quote":
      return h("blockquote", { dir }, ...block.children.map((each) => blockOf(each, me, null)));
    case "list":
      return listOf(block, me, dir);
    default:
      return h("p", { dir }, ...inline(block.children, me));
  }
}

function listOf({ isOrdered, items }, me, dir) {
  const rows = items.map(({ number, children, lists }) =>
    h(
      "li",
      isOrdered ? { value: number } : {},
      ...inline(children, me),
      ...lists.map((each) => listOf(each, me, null)),
    ),
  );
  return h(isOrdered ? "ol" : "ul", { dir }, ...rows);
}

/** @param {import("../formatting.js").Inline[]} parts */
function inline(parts, me) {
  return parts.map((part) => {
    if (typeof part === "string") return part;
    if (part.kind === "code") return h("code", { dir: "ltr" }, part.text);
    if (part.kind === "name") return h("bdi", { class: part.name === me ? "name is-me" : "name" }, part.text);
    if (part.kind === "link") return linkOf(part, me);
    return h(TAGS[part.kind], {}, ...inline(part.children, me));
  });
}

/** Words that look like another address stand with the real one. */
function linkOf({ href, address, children }, me) {
  return h(
    "a",
    { href, target: "_blank", rel: "noopener noreferrer nofollow", title: new URL(href).href },
    h("bdi", {}, ...inline(children, me)),
    address && h("bdi", { class: "address" }, ` (${address})`),
  );
}

/** It scrolls by itself, also with the keyboard: a long line is no reason to move the page. */
function codeOf({ text, language }) {
  const code = h("code", { "data-language": language || null }, text);
  const copy = h("button", { class: "copy", type: "button", "aria-label": t("copy_code") }, t("copy"));
  copy.addEventListener("click", async () => {
    const isCopied = await copyText(text, () => getSelection()?.selectAllChildren(code));
    copy.textContent = isCopied ? t("copied") : t("selected");
    setTimeout(() => (copy.textContent = t("copy")), COPIED_MS);
  });
  return h(
    "div",
    { class: "code-block", dir: "ltr" },
    h("div", { class: "code-head" }, language, copy),
    h("pre", { tabindex: "0", role: "group", "aria-label": language ? t("code_in", { language }) : t("code") }, code),
  );
}
