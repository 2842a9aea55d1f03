/**
 * The pins of one channel: which there are, the dialog that shows them, and pinning. Loaded when somebody looks at them
 * or may pin. What it is answered moves no cursor: pinned messages come from anywhere in the channel.
 */

import { h } from "../dom.js";
import { explain } from "../explain.js";
import { fileNames } from "../lines.js";
import { momentOf } from "../times.js";
import { t } from "../words.js";
import { ListDialog, thing } from "./listdialog.js";

export class Pins {
  /** @type {ListDialog|null} while it is open */
  #dialog = null;
  /** @type {Set<string>} ids of the messages that are pinned, as far as that is known */
  #ids = new Set();

  /**
   * @param {{chat: import("../client/chat.js").Chat, key: string, mayPin: () => boolean,
   *   toasts: import("./toasts.js").Toasts}} parts
   */
  constructor({ chat, key, mayPin, toasts }) {
    Object.assign(this, { chat, key, mayPin, toasts });
    this.stop = chat.onNews((news) => news.kind === "pin" && news.key === key && this.#onChanged(news.data));
    this.#load().catch(() => {});
  }

  /** @param {string} id  of a message */
  has(id) {
    return this.#ids.has(id);
  }

  /** Pin a message, or take it down. @param {string} id */
  async toggle(id) {
    const isPinned = this.has(id);
    try {
      await this.chat.session.request(isPinned ? "pin.remove" : "pin.add", { channel: this.key, data: { id } });
      this.#onChanged({ id, is_pinned: !isPinned });
      this.toasts.show(isPinned ? t("panels.unpinned") : t("panels.pinned"));
    } catch (error) {
      this.toasts.show(explain(error));
    }
  }

  open() {
    this.#dialog = new ListDialog({ id: "pins", heading: t("panels.pinned_messages"), onClose: () => (this.#dialog = null) });
    this.#refresh();
  }

  destroy() {
    this.stop();
    this.#dialog?.element.close();
  }

  #onChanged({ id, is_pinned: isPinned }) {
    if (isPinned) this.#ids.add(id);
    else this.#ids.delete(id);
    if (this.#dialog) this.#refresh();
  }

  async #refresh() {
    try {
      const pins = await this.#load();
      this.#dialog?.show(pins.map((pin) => this.#row(pin)), t("panels.no_pins"));
    } catch (error) {
      this.#dialog?.fail(error);
    }
  }

  async #load() {
    const { results } = await this.chat.session.request("pin.list", { channel: this.key });
    this.#ids = new Set(results.map(({ message }) => message.id));
    return results;
  }

  #row({ message, pinned_by: by }) {
    const { id, author, hidden, via, files, created_at: at } = message;
    const text = message.text || fileNames(files);
    const button = h(
      "button",
      {
        class: "button is-small",
        type: "button",
        "aria-label": t("panels.unpin_this", { text }),
        on: { click: () => this.toggle(id) },
      },
      t("unpin"),
    );
    const when = momentOf(new Date(at));
    const note = by === null ? when : t("panels.pinned_by", { when, name: by });
    return thing(hidden ? "" : (via?.name ?? author), note, hidden ? t("hidden") : text, ...(this.mayPin() ? [button] : []));
  }
}
