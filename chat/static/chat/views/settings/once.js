/** What is shown once and never again: recovery codes, an app password. To be copied, or kept as a file. */

import { h } from "../../dom.js";
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
    said.textContent = isCopied ? "It is copied." : "It is marked: copy it with your keyboard.";
  }

  function save() {
    const url = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" }));
    h("a", { href: url, download: file }).click();
    URL.revokeObjectURL(url);
    said.textContent = "The file is in your downloads.";
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
      h("button", { class: "button", type: "button", on: { click: copy } }, "Copy"),
      file && h("button", { class: "button", type: "button", on: { click: save } }, "Download"),
      h("button", { class: "button is-primary", type: "button", on: { click: onDone } }, "I have kept it"),
    ),
  );
}
