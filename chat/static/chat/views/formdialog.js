/** A dialog that asks for something: a heading, what it is for, fields, what is wrong, and the two buttons. */

import { h } from "../dom.js";
import { t } from "../words.js";

/** A text field for such a dialog. @param {{id: string, name: string}} attributes  others go to the input as they are */
export function textInput(attributes) {
  return h("input", { class: "input", autocomplete: "off", ...attributes });
}

export class FormDialog {
  /**
   * @param {{
   *   id: string,
   *   action: string,
   *   fields: Array<{input: HTMLInputElement, label: string, aside?: string, below?: Element}>,
   *   problem: () => string,
   *   submit: () => Promise<void>,
   *   explain: (error: any) => string,
   * }} parts  `action` is written on the button; `problem` says what is wrong with the fields, or ""; `submit` does what
   *   was asked, and where it fails, `explain` says why
   */
  constructor({ id, action, fields, problem, submit, explain }) {
    this.problem = problem;
    this.submit = submit;
    this.explain = explain;
    this.heading = h("h2", { id: `${id}-heading` });
    this.lead = h("p", { class: "dialog-lead" });
    this.error = h("p", { class: "form-error", role: "alert" });
    this.button = h("button", { class: "button is-primary", type: "submit" }, action);
    const cancel = h(
      "button",
      { class: "button", type: "button", on: { click: () => this.close() } },
      t("cancel"),
    );
    this.element = h(
      "dialog",
      { class: "dialog", "aria-labelledby": `${id}-heading` },
      h(
        "form",
        { novalidate: true, on: { submit: (event) => this.#onSubmit(event) } },
        this.heading,
        this.lead,
        ...fields.map(({ input, label, aside, below }) =>
          h(
            "div",
            { class: "field" },
            h(
              "label",
              { for: input.id },
              aside ? `${label} ` : label,
              aside && h("span", { class: "field-aside" }, `(${aside})`),
            ),
            input,
            below,
          ),
        ),
        this.error,
        h("div", { class: "dialog-buttons" }, cancel, this.button),
      ),
    );
  }

  /** @param {string} heading  @param {string} lead  @param {HTMLInputElement} first  where one begins to write */
  open(heading, lead, first) {
    this.heading.textContent = heading;
    this.lead.textContent = lead;
    this.error.textContent = "";
    this.element.showModal();
    first.focus();
    first.select();
  }

  close() {
    this.element.close();
  }

  async #onSubmit(event) {
    event.preventDefault();
    this.error.textContent = this.problem();
    if (this.error.textContent !== "") return;
    this.button.disabled = true;
    try {
      await this.submit();
    } catch (error) {
      this.error.textContent = this.explain(error);
    } finally {
      this.button.disabled = false;
    }
  }
}
