/** The field in which a message is edited, in the message's own place. Loaded when something is edited. */

import { h, isComposing } from "../dom.js";
import { t } from "../words.js";

/**
 * The form; its first child is the field.
 * @param {{text: string, onSave: (text: string) => void, onCancel: () => void}} parts
 * @returns {HTMLFormElement}
 */
export function editForm({ text, onSave, onCancel }) {
  const field = h("textarea", {
    class: "input edit-field",
    "aria-label": t("panels.edit_message"),
    dir: "auto",
    rows: Math.min(8, text.split("\n").length),
    value: text,
  });
  const save = h("button", { class: "button is-small is-primary", type: "submit" }, t("save"));
  const cancel = h("button", { class: "button is-small", type: "button", on: { click: onCancel } }, t("cancel"));
  field.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    if (event.key === "Escape") onCancel();
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      onSave(field.value);
    }
  });
  return h(
    "form",
    { class: "edit", on: { submit: (event) => (event.preventDefault(), onSave(field.value)) } },
    field,
    h("div", { class: "edit-buttons" }, save, cancel),
  );
}
