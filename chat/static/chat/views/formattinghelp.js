/** What formatting there is, as it is typed and as it looks. Opened from the composer. */

import { h } from "../dom.js";
import { formatted } from "./formatted.js";

const EXAMPLES = [
  "**bold**",
  "*italic*",
  "~~strike~~",
  "`code`",
  "[words](https://example.org)",
  "> quote",
  "- item",
  "1. item",
  "```js\ncode\n```",
];

/** @returns {HTMLElement} */
export function formattingHelp() {
  const rows = EXAMPLES.map((typed) =>
    h("tr", {}, h("td", {}, h("code", {}, typed)), h("td", { class: "text" }, ...formatted(typed))),
  );
  return h(
    "div",
    { class: "formatting-help", role: "group", "aria-label": "Formatting" },
    h("table", {}, h("caption", { class: "only-heard" }, "What is typed, and how it looks"), h("tbody", {}, ...rows)),
  );
}
