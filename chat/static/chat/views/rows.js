/** The rows of messages of a channel or of one thread: drawn from a timeline, with the tools of the one pointed at. */

import { h, keyed } from "../dom.js";
import { isSameRow } from "../timeline.js";
import { withWords } from "../words.js";
import { drawRow, loadFormatting } from "./message.js";

export class Rows {
  /**
   * @param {{chat: import("../client/chat.js").Chat, key: string, find: (id: string) => any, onProblem: (error: any) => void,
   *   moderates: () => boolean, hasThreads: () => boolean, inThread?: boolean, pins: object}} parts
   *   find: the message of that id as it is now; pins: for the toolbar
   */
  constructor({ chat, key, find, onProblem, moderates, hasThreads, inThread = false, pins }) {
    this.find = find;
    this.isDrawnAnew = false;
    const attempt = (promise) => promise.then(() => true, (error) => (onProblem(error), false));
    this.actions = {
      me: "",
      inThread,
      people: chat.people,
      showFiles: async (place, files) => (await withWords("panels", import("./files.js"))).showFiles(place, files, chat),
      onReact: (message, emoji) => attempt(chat.react(find(message.id) ?? message, emoji)),
      moderates,
      onEdits: async (message) => (await withWords("panels", import("./edits.js"))).openEdits({ chat, message }),
      onRetry: (nonce, confirm) => chat.outbox.retry(key, nonce, confirm),
      onDiscard: (nonce) => chat.outbox.remove(key, nonce),
    };
    this.tools = {
      find,
      me: () => this.actions.me,
      onReact: this.actions.onReact,
      onEdit: (message, text) => attempt(chat.edit(key, message.id, text)),
      onDelete: (message) => attempt(chat.remove(key, message.id)),
      onDone: () => this.#finishEdit(),
      rowOf: (id) => this.element.querySelector(`.message[data-id="${CSS.escape(id)}"]`),
      hasThreads,
      ...pins,
    };
    /** @type {import("./toolbar.js").Toolbar|null} it comes a moment after the messages */
    this.toolbar = null;
    this.element = h("ol", { class: "rows" });
    this.#listen();
    this.#loadToolbar();
  }

  async #loadToolbar() {
    const { Toolbar } = await withWords("panels", import("./toolbar.js")).catch(() => ({}));
    if (!Toolbar || this.toolbar) return;
    this.toolbar = new Toolbar(this.tools);
    this.toolbar.attach(this.element.querySelector(".message:hover, .message:focus-within"));
  }

  #listen() {
    const { element: list } = this;
    const toRow = (event) => {
      if (this.toolbar) this.toolbar.attach(event.target.closest?.(".message") ?? null);
      else this.#loadToolbar();
    };
    list.addEventListener("pointerover", (event) => event.pointerType === "mouse" && toRow(event));
    list.addEventListener("pointerleave", () => list.contains(document.activeElement) || this.toolbar?.detach());
    list.addEventListener("focusin", toRow);
    list.addEventListener("click", (event) => event.target.closest("button, a, textarea") || toRow(event));
    list.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #onKey(event) {
    const row = event.target.closest(".message");
    const direction = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
    if (row !== event.target || !direction) return;
    sibling(row, direction)?.focus();
    event.preventDefault();
  }

  /** Without it texts are shown as they were typed. @param {() => void} onLoaded  called when they are to be drawn anew */
  loadFormatting(onLoaded) {
    const draw = (isNew) => {
      if (!isNew) return;
      this.isDrawnAnew = true;
      onLoaded();
    };
    return loadFormatting().then(draw, () => {});
  }

  /** @param {object[]} rows  of timeline()  @param {string} me */
  draw(rows, me) {
    this.actions.me = me;
    const { toolbar } = this;
    keyed(this.element, rows, {
      key: (row) => row.key,
      create: () => h("li"),
      update: (item, row) => {
        // What is being written in the place of a message outlives whatever happens to the message.
        if (row.message && row.message.id === toolbar?.editing && row.message.text !== null) return;
        const isPointedAt = toolbar?.item === item;
        drawRow(item, row, this.actions);
        if (isPointedAt) toolbar.attach(item);
      },
      same: (one, other) => !this.isDrawnAnew && isSameRow(one, other),
    });
    this.isDrawnAnew = false;
  }

  /** Edit the newest own message. @param {any[]} messages  oldest first */
  editLast(messages) {
    const own = messages.findLast((message) => message.author === this.actions.me && message.text !== null);
    if (own) this.toolbar?.edit(own.id);
  }

  /** Draw the message anew: its row still holds the field. */
  #finishEdit() {
    for (const field of this.element.querySelectorAll(".edit")) {
      const item = field.closest(".message");
      const message = this.find(item.dataset.id);
      const [isGrouped, isOwn] = ["is-grouped", "is-own"].map((name) => item.classList.contains(name));
      if (message) drawRow(item, { kind: "message", key: "", message, isGrouped, isOwn }, this.actions);
    }
  }
}

/** The next message in a direction, over days and marks. */
function sibling(row, direction) {
  let next = row[direction];
  while (next && !next.classList.contains("message")) next = next[direction];
  return next;
}
