/** A block of a settings section that changes one thing: heading, what it means, fields, the button, what came of it. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";

/**
 * What a section is given: the chat, the notes, and what logs out here. (It stands here and not in settings.js, since
 * files that name each other in a circle can't be served under names that are made of what they contain.)
 * @typedef {{chat: import("../../client/chat.js").Chat, toasts: import("../toasts.js").Toasts,
 *   onLogOut: () => void}} Parts
 */

/**
 * @param {{
 *   title: string,
 *   lead?: string,
 *   choices?: Element[],
 *   fields?: Array<{input: any, label: string, hint?: string}>,
 *   after?: Element[],
 *   action: string,
 *   look?: string,
 *   problem?: () => string,
 *   submit: () => Promise<string|void>,
 * }} parts  `problem` says what is wrong with the fields, or ""; `submit` may return what is said when it is done
 * @returns {HTMLElement}
 */
export function settingsForm({
  title,
  lead,
  choices = [],
  fields = [],
  after = [],
  action,
  look = "",
  problem = () => "",
  submit,
}) {
  const error = h("p", { class: "form-error", role: "alert" });
  const done = h("p", { class: "form-done", role: "status" });
  const button = h("button", { class: `button ${look}`, type: "submit" }, action);

  async function onSubmit(event) {
    event.preventDefault();
    done.textContent = "";
    error.textContent = problem();
    if (error.textContent !== "") return;
    button.disabled = true;
    try {
      done.textContent = (await submit()) ?? "";
    } catch (failure) {
      error.textContent = explain(failure);
    } finally {
      button.disabled = false;
    }
  }

  return h(
    "form",
    { class: "settings-form", novalidate: true, on: { submit: onSubmit } },
    h("h3", {}, title),
    lead && h("p", { class: "settings-lead" }, lead),
    ...choices,
    ...fields.map(({ input, label, hint }) =>
      h(
        "div",
        { class: "field" },
        h("label", { for: input.id }, label),
        input,
        hint && h("span", { class: "field-hint" }, hint),
      ),
    ),
    ...after,
    error,
    done,
    h("div", { class: "settings-buttons" }, button),
  );
}
