/** Files: those that are about to be sent, and those of messages. Loaded when there are some. */

import { RequestError } from "../client/index.js";
import { h, icon, setText } from "../dom.js";
import { explain } from "../explain.js";
import { t } from "../words.js";

const MOST = 10;
const PASS_MS = 300_000;
const UNIT = 1024;

let passed = null;
let passedAt = 0;
let passedTo = null;

/**
 * Let this browser show files: by a cookie, as an image can't send a token.
 * @param {import("../client/chat.js").Chat} chat  @param {boolean} [isStale]  the last one was refused
 */
function pass(chat, isStale = false) {
  const me = chat.store.me?.id;
  if (passed === null || isStale || passedTo !== me || Date.now() - passedAt > PASS_MS) {
    passedAt = Date.now();
    passedTo = me;
    passed = chat.credentials.access().then((access) => chat.api.ask(access, "POST", "files/cookie", {}));
    passed.catch(() => (passed = null));
  }
  return passed;
}

const addressOf = (chat, file) => `${chat.api.base}/files/${file.id}/${encodeURIComponent(file.name)}`;

function sizeOf(size) {
  if (size < UNIT) return t("panels.bytes", { count: size });
  const rounded = (unit) => Math.round((10 * size) / unit) / 10;
  if (size < UNIT ** 2) return t("panels.kib", { size: rounded(UNIT) });
  return size < UNIT ** 3 ? t("panels.mib", { size: rounded(UNIT ** 2) }) : t("panels.gib", { size: rounded(UNIT ** 3) });
}

/** An image whose address is only asked for with the cookie; a second time where that had run out. */
function picture(chat, src, attributes) {
  const image = h("img", { ...attributes, on: { error: () => again() } });
  let tries = 0;
  const load = async (isStale) => {
    await pass(chat, isStale);
    image.src = src;
  };
  const again = () => {
    tries += 1;
    if (tries === 1) load(true).catch(() => {});
  };
  load(false).catch(() => {});
  return image;
}

/** @param {Element} place  @param {import("../client/types.js").FileInfo[]} files */
export function showFiles(place, files, chat) {
  place.replaceChildren(...files.map((file) => (file.width ? thumbOf(file, chat) : lineOf(file, chat))));
}

function thumbOf(file, chat) {
  const scale = Math.min(1, 320 / file.width, 240 / file.height);
  const size = { width: Math.round(file.width * scale), height: Math.round(file.height * scale) };
  const image = picture(chat, `${chat.api.base}/files/${file.id}/thumb`, { ...size, alt: file.name });
  return h(
    "button",
    { class: "file-thumb", type: "button", title: file.name, on: { click: () => openViewer(file, chat) } },
    image,
  );
}

function lineOf(file, chat) {
  const download = async (event) => {
    event.preventDefault();
    await pass(chat).catch(() => {});
    location.assign(addressOf(chat, file));
  };
  return h(
    "a",
    { class: "file-line", href: addressOf(chat, file), on: { click: download } },
    icon("down"),
    h("bdi", {}, file.name),
    h("span", { class: "file-size" }, sizeOf(file.size)),
  );
}

function openViewer(file, chat) {
  const close = () => dialog.close();
  const dialog = h(
    "dialog",
    { class: "dialog viewer", "aria-label": file.name, on: { close: () => dialog.remove() } },
    picture(chat, addressOf(chat, file), { alt: file.name }),
    h(
      "p",
      { class: "dialog-buttons" },
      lineOf(file, chat),
      h("button", { class: "button", type: "button", on: { click: close } }, t("close")),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** A page of its own for one file: where clients that know no files send people. */
export async function openFile(chat, id) {
  await pass(chat);
  location.replace(`${chat.api.base}/files/${id}/file`);
}

/** What is about to be sent with the next message: one after the other, each with its progress. */
export class Tray {
  /** @param {{chat: import("../client/chat.js").Chat, onChange: () => void}} parts */
  constructor({ chat, onChange }) {
    this.chat = chat;
    this.onChange = onChange;
    this.entries = [];
    this.element = h("ul", { class: "tray", "aria-label": t("panels.files") });
  }

  /** Whether one of them is still on its way. */
  get isBusy() {
    return this.entries.some(({ state }) => state === "waiting" || state === "sending");
  }

  /** Those that have arrived. @returns {import("../client/types.js").FileInfo[]} */
  get ready() {
    return this.entries.flatMap(({ sent }) => sent ?? []);
  }

  /** @param {File[]} files */
  add(files) {
    for (const file of files.slice(0, MOST - this.entries.length)) {
      const entry = { file, state: "waiting", sent: null, request: null };
      entry.words = h("span", { class: "tray-state", role: "status" });
      entry.bar = h("progress", { max: 1, value: 0 });
      entry.element = h(
        "li",
        {},
        h("bdi", {}, file.name),
        entry.bar,
        entry.words,
        h(
          "button",
          { class: "link", type: "button", "aria-label": t("panels.remove_file", { name: file.name }), on: { click: () => this.#remove(entry) } },
          icon("close"),
        ),
      );
      this.entries.push(entry);
      this.element.append(entry.element);
    }
    this.onChange();
    this.#work();
  }

  /** They are sent with a message: the tray is empty again. */
  clear() {
    this.entries = [];
    this.element.replaceChildren();
    this.onChange();
  }

  #remove(entry) {
    entry.request?.abort();
    entry.state = "removed";
    this.entries = this.entries.filter((each) => each !== entry);
    entry.element.remove();
    this.onChange();
  }

  async #work() {
    if (this.entries.some(({ state }) => state === "sending")) return;
    const entry = this.entries.find(({ state }) => state === "waiting");
    if (!entry) return;
    entry.state = "sending";
    try {
      entry.sent = await this.#send(entry);
      entry.state = "sent";
      setText(entry.words, sizeOf(entry.sent.size));
    } catch (error) {
      if (entry.state !== "removed") entry.state = "failed";
      setText(entry.words, explain(error));
      entry.words.classList.add("problem");
    }
    entry.bar.hidden = true;
    this.onChange();
    this.#work();
  }

  /** By XMLHttpRequest, which alone tells how far it is. */
  async #send(entry) {
    const access = await this.chat.credentials.access();
    return new Promise((resolve, reject) => {
      const request = (entry.request = new XMLHttpRequest());
      request.open("POST", `${this.chat.api.base}/files?name=${encodeURIComponent(entry.file.name)}`);
      request.setRequestHeader("Authorization", `Bearer ${access}`);
      request.responseType = "json";
      request.upload.onprogress = ({ loaded, total }) => (entry.bar.value = total ? loaded / total : 0);
      request.onerror = request.onabort = () => reject(new RequestError("offline"));
      request.onload = () =>
        request.status === 201
          ? resolve(request.response)
          : reject(RequestError.from(request.response?.error, request.status));
      request.send(entry.file);
    });
  }
}
