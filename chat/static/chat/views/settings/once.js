/** What is shown once and never again: recovery codes, an app password. To be copied, or kept as a file. */

import { h } from "../../dom.js";
import { t } from "../../words.js";
import { copyText } from "../clipboard.js";

/**
 * @param {{title: string, lead: string, lines: string[], file?: string, onDone: () => void}} parts
 *   file: what it is called as a download; without a name it can only be copied
 * @returns {HTMLElement}
 */
export function shownOnce({ title, lead, lines, file, onDone }) {
  const text = lines.join("\n");
  const said = h("p", { class: "form-done", role: "status" });
  const list = h("ul", { class: "secrets" }, ...lines.map((line) => h("li", {}, h("code", {}, line))));

  async function copy() {
    const isCopied = await copyText(text, () => getSelection()?.selectAllChildren(list));
    said.textContent = isCopied ? t("settings.is_copied") : t("settings.is_marked");
  }

  function save() {
    const url = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" }));
    h("a", { href: url, download: file }).click();
    URL.revokeObjectURL(url);
    said.textContent = t("settings.in_downloads");
  }

  return h(
    "section",
    { class: "settings-form" },
    h("h3", { tabindex: "-1" }, title),
    h("p", { class: "settings-lead" }, lead),
    list,
    said,
    h(
      "div",
      { class: "settings-buttons" },
      h("button", { class: "button", type: "button", on: { click: copy } }, t("copy")),
      file && h("button", { class: "button", type: "button", on: { click: save } }, t("settings.download")),
      h("button", { class: "button is-primary", type: "button", on: { click: onDone } }, t("settings.i_kept_it")),
    ),
  );
}
