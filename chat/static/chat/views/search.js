/**
 * Finding messages: the page of a search (`#/search/<what>`, with `?has=file` behind it for those with files alone), and
 * the place where a message stands (`#/c/<key>/<number>`), which shows what was said around it. Loaded when one of them
 * is opened.
 */

import { h, icon, setText } from "../dom.js";
import { explain } from "../explain.js";
import { fileNames } from "../lines.js";
import { timeline } from "../timeline.js";
import { momentOf } from "../times.js";
import { t, withWords } from "../words.js";
import { drawRow, loadFormatting } from "./message.js";

const AROUND = 50;
const WITH_FILES = "?has=file";

/** @param {string} path  of the address, behind `#/`  @param {{chat: import("../client/chat.js").Chat, menuButton: Element}} parts */
export function pageOf(path, parts) {
  const [kind, key, number] = path.split("/");
  return kind === "c" ? new Around(parts, key, Number(number)) : new Search(parts, path.slice("search/".length));
}

/** A page's frame. @param {Element} menuButton  @param {any} title  @param {...any} children */
function page(menuButton, title, ...children) {
  const head = h("header", { class: "page-head" }, menuButton, title);
  return h("main", { class: "lobby", id: "main", tabindex: "-1" }, head, h("div", { class: "lobby-body" }, ...children));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

class Search {
  name = t("search");

  /** @param {string} asked  as the address has it: what `#submit` writes */
  constructor({ chat, menuButton }, asked) {
    this.chat = chat;
    this.asked = 0;
    this.next = null;
    const hasFiles = asked.endsWith(WITH_FILES);
    const q = decoded(hasFiles ? asked.slice(0, -WITH_FILES.length) : asked);
    this.field = h("input", {
      class: "input",
      type: "search",
      value: q,
      maxlength: 256,
      autocomplete: "off",
      placeholder: t("panels.search_example"),
      "aria-label": t("panels.search_messages"),
    });
    this.files = h("input", {
      type: "checkbox",
      role: "switch",
      checked: hasFiles,
      on: { change: () => form.requestSubmit() },
    });
    const form = h(
      "form",
      { class: "search-form", role: "search", on: { submit: (event) => this.#submit(event) } },
      this.field,
      h("label", { class: "switch" }, this.files, t("panels.only_with_files")),
    );
    this.list = h("ol", { class: "channel-list" });
    this.note = h("p", { class: "lobby-note", role: "status" });
    this.more = h(
      "button",
      { class: "button", type: "button", hidden: true, on: { click: () => this.#load(this.next) } },
      t("show_more"),
    );
    this.element = page(menuButton, h("h1", {}, t("search")), form, this.list, this.note, this.more);
    this.#start(q);
  }

  /** The address names what is looked for, so that one comes back to it from a message. */
  #submit(event) {
    event.preventDefault();
    const q = this.field.value.trim();
    history.replaceState(null, "", `#/search/${encodeURIComponent(q)}${this.files.checked ? WITH_FILES : ""}`);
    this.#start(q);
  }

  #start(q) {
    this.query = { ...(q && { q }), ...(this.files.checked && { has: "file" }) };
    this.list.replaceChildren();
    if (Object.keys(this.query).length > 0) this.#load(null);
    else this.#stop();
  }

  /** Nothing is asked for: what was is not waited for. */
  #stop() {
    this.asked += 1;
    this.more.hidden = true;
    setText(this.note, "");
  }

  async #load(cursor) {
    const turn = ++this.asked;
    this.more.hidden = true;
    setText(this.note, t("panels.searching"));
    try {
      // A page may be short or empty where the way back is long.
      do {
        const query = new URLSearchParams({ ...this.query, ...(cursor ? { cursor } : {}) });
        const found = await this.chat.rest("GET", `search?${query}`);
        if (turn !== this.asked) return;
        this.list.append(...found.results.map((hit) => this.#row(hit)));
        this.next = cursor = found.next;
        if (found.results.length > 0) break;
      } while (cursor !== null);
      setText(this.note, this.list.children.length === 0 ? t("panels.nothing_found") : "");
      this.more.hidden = this.next === null;
    } catch (error) {
      if (turn === this.asked) setText(this.note, explain(error));
    }
  }

  #row({ message, channel, highlights }) {
    const date = new Date(message.created_at);
    return h(
      "li",
      {},
      h(
        "a",
        { class: "channel-row is-hit", href: `#/c/${message.channel}/${message.number}` },
        h(
          "span",
          { class: "channel-name" },
          h("bdi", {}, message.via?.name ?? message.author),
          "·",
          h("bdi", {}, channel.name),
        ),
        h("time", { class: "remark", datetime: message.created_at }, momentOf(date)),
        h("span", { class: "hit-text", dir: "auto" }, ...marked(message.text, highlights)),
        message.files && h("bdi", { class: "remark" }, fileNames(message.files)),
      ),
    );
  }

  update() {}

  focus() {
    this.field.focus();
  }

  destroy() {
    this.asked += 1;
  }
}

/** The text with what was looked for marked; places are in code points. */
function marked(text, highlights) {
  const points = [...text];
  const parts = [];
  let end = 0;
  for (const [from, to] of highlights) {
    parts.push(points.slice(end, from).join(""), h("mark", {}, points.slice(from, to).join("")));
    end = to;
  }
  return [...parts, points.slice(end).join("")];
}

class Around {
  constructor({ chat, menuButton }, key, number) {
    this.chat = chat;
    this.key = key;
    this.title = h("h1");
    this.list = h("ol", { class: "rows" });
    this.note = h("p", { class: "lobby-note", role: "status" }, t("loading"));
    const open = h("a", { class: "button", href: `#/c/${key}` }, icon("down"), t("panels.open_channel"));
    this.element = page(menuButton, this.title, this.list, this.note, open);
    this.update();
    this.#load(number);
  }

  get name() {
    return this.chat.store.channel(this.key)?.info.name ?? t("channel");
  }

  async #load(number) {
    try {
      const query = new URLSearchParams({ around: String(number), limit: String(AROUND) });
      const { messages } = await this.chat.rest("GET", `channels/${this.key}/messages?${query}`);
      const me = this.chat.store.me.username;
      const { chat } = this;
      const actions = {
        me,
        people: chat.people,
        showFiles: async (place, files) => (await withWords("panels", import("./files.js"))).showFiles(place, files, chat),
        moderates: () => false,
        onEdits: async (message) => (await withWords("panels", import("./edits.js"))).openEdits({ chat, message }),
        onReact() {},
        onRetry() {},
        onDiscard() {},
      };
      await loadFormatting().catch(() => {});
      for (const row of timeline({ messages, unsent: [], me, readNumber: Infinity, now: new Date() })) {
        const item = h("li");
        drawRow(item, row, actions);
        // Here one reads; what one does is done in the channel.
        for (const button of item.querySelectorAll("button.reaction")) button.disabled = true;
        if (row.message?.number === number) this.found = item;
        this.list.append(item);
      }
      setText(this.note, this.found ? "" : t("panels.message_gone"));
      this.found?.classList.add("is-for-me");
      this.found?.setAttribute("aria-current", "true");
      this.found?.scrollIntoView({ block: "center" });
    } catch (error) {
      setText(this.note, error.code === "not_found" ? t("panels.no_channel") : explain(error));
    }
  }

  update() {
    setText(this.title, this.name);
  }

  focus() {
    this.element.focus({ preventScroll: true });
  }

  destroy() {}
}
