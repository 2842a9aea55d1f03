/** Something that is shown this once: a token, an address. A field to select it from, and a button that copies it. */

import { h } from "../dom.js";
import { t } from "../words.js";
import { copyText } from "./clipboard.js";

/**
 * @param {{label: string, value: string, toasts: import("./toasts.js").Toasts}} parts
 * @returns {HTMLElement}
 */
export function secret({ label, value, toasts }) {
  const field = h("input", { class: "input", readonly: true, value, "aria-label": label, spellcheck: "false" });
  const copy = async () => {
    const isCopied = await copyText(value, () => field.select());
    toasts.show(isCopied ? t("settings.is_copied") : t("settings.is_marked"));
  };
  return h(
    "div",
    { class: "secret", role: "status" },
    h("p", {}, h("strong", {}, label), " ", t("settings.keep_it")),
    h(
      "div",
      { class: "secret-row" },
      field,
      h("button", { class: "button", type: "button", on: { click: copy } }, t("copy")),
    ),
  );
}
