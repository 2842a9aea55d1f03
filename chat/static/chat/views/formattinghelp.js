/** What formatting there is, as it is typed and as it looks. Opened from the composer. */

import { h } from "../dom.js";
import { t } from "../words.js";
import { formatted } from "./formatted.js";

const examples = () => [
  `**${t("panels.bold")}**`,
  `*${t("panels.italic")}*`,
  `~~${t("panels.strike")}~~`,
  `\`${t("panels.code")}\``,
  `[${t("panels.words")}](https://example.org)`,
  `> ${t("panels.quote")}`,
  `- ${t("panels.item")}`,
  `1. ${t("panels.item")}`,
  ["```js", t("panels.code"), "```"].join("\n"),
];

/** @returns {HTMLElement} */
export function formattingHelp() {
  const rows = examples().map((typed) =>
    h("tr", {}, h("td", {}, h("code", {}, typed)), h("td", { class: "text" }, ...formatted(typed))),
  );
  return h(
    "div",
    { class: "formatting-help", role: "group", "aria-label": t("formatting") },
    h("table", {}, h("caption", { class: "only-heard" }, t("panels.formatting_lead")), h("tbody", {}, ...rows)),
  );
}
