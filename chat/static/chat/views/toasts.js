/** Short notes that go by themselves, and the quiet voice that reads new messages to screen readers. */

import { h, icon } from "../dom.js";
import { t } from "../words.js";

const SHOWN_MS = 6_000;
const LIMIT = 3;

export class Toasts {
  constructor() {
    this.element = h("div", { class: "toasts", role: "alert" });
    this.voice = h("div", { class: "only-heard", "aria-live": "polite" });
  }

  /** @param {string} text  @param {{stays?: boolean}} [how]  stays: until it is closed, or pushed out by others */
  show(text, { stays = false } = {}) {
    const toast = h("p", { class: "toast" }, text);
    const close = h("button", { class: "icon-button", type: "button", "aria-label": t("close") }, icon("close"));
    close.addEventListener("click", () => toast.remove());
    toast.append(close);
    this.element.append(toast);
    while (this.element.childElementCount > LIMIT) this.element.firstChild.remove();
    if (!stays) setTimeout(() => toast.remove(), SHOWN_MS);
  }

  /** Say something to those who listen instead of looking. @param {string} text */
  announce(text) {
    this.voice.append(h("p", {}, text));
    while (this.voice.childElementCount > 5) this.voice.firstChild.remove();
  }
}
