/** One row of a channel: a message, an unsent one, a day, or the mark of what is new. */

import { RequestError } from "../client/index.js";
import { h, initialOf, tint } from "../dom.js";
import { explain } from "../explain.js";
import { capital, fileNames, peopleLine } from "../lines.js";
import { momentOf, timeOf } from "../times.js";
import { t } from "../words.js";
import { avatarOf, nameOf } from "./person.js";

/** What makes elements of a text; null: not loaded yet, and texts are shown as they were typed. */
let formatted = null;

/** Whether texts look otherwise from now on. */
export async function loadFormatting() {
  const wasThere = formatted !== null;
  ({ formatted } = await import("./formatted.js"));
  return !wasThere;
}

/**
 * Draw a row into its list item.
 * @param {HTMLElement} item
 * @param {import("../timeline.js").Row} row
 * @param {{me: string, inThread?: boolean, people: import("../client/people.js").People, onReact: (message: import("../client/types.js").Message, emoji: string) => void,
 *   moderates: () => boolean, onEdits: (message: import("../client/types.js").Message) => void, onRetry: (nonce: string, confirm: boolean) => void, onDiscard: (nonce: string) => void}} actions
 */
export function drawRow(item, row, actions) {
  item.removeAttribute("tabindex");
  if (row.kind === "day" || row.kind === "new") {
    item.className = row.kind === "day" ? "divider" : "divider is-new";
    item.replaceChildren(h("span", {}, row.words ? capital(row.words) : t("new")));
  } else if (row.kind === "message") {
    drawMessage(item, row, actions);
  } else {
    drawUnsent(item, row, actions);
  }
}

function drawMessage(item, { message, isGrouped, isOwn }, actions) {
  if (message.hidden) return drawHidden(item, message);
  const isForMe = !isOwn && message.mentions.some((name) => [actions.me, "channel", "here"].includes(name));
  item.className = classes("message", { "is-grouped": isGrouped, "is-own": isOwn, "is-for-me": isForMe });
  item.dataset.id = message.id;
  item.tabIndex = -1;
  const date = new Date(message.created_at);
  const time = h(
    "time",
    { class: "time", datetime: message.created_at, title: momentOf(date) },
    timeOf(date),
  );
  item.replaceChildren(
    ...head(actions.people, message.author, time, isGrouped, message.via),
    message.text === null
      ? h("p", { class: "text is-gone" }, t("deleted"))
      : textOf(message, actions.me, message.edited_at && edited(message, isOwn, actions)),
    ...filesOf(message, actions),
    ...reactions(message, actions),
    ...(!actions.inThread && (message.thread || message.thread_info?.replies)
      ? [threadLink(message, message.thread ? t("in_thread") : repliesOf(message), "time")]
      : []),
  );
}

/** The way to the thread that a message began, or is in. */
export function threadLink({ id, channel, thread }, words, look) {
  return h("a", { class: look, href: `#/c/${channel}/t/${thread ?? id}` }, words);
}

/** 1 reply, 3 replies. @param {import("../client/types.js").Message} root */
export function repliesOf({ thread_info }) {
  return t("replies", { count: thread_info?.replies ?? 0 });
}

function edited(message, isOwn, { moderates, onEdits }) {
  if (!isOwn && !moderates()) return t("edited");
  return h("button", { class: "link", type: "button", on: { click: () => onEdits(message) } }, t("edited"));
}

/** One quiet line, so that it is seen that somebody spoke: what others answer would be a riddle else. */
function drawHidden(item, message) {
  item.className = "message is-hidden";
  item.dataset.id = message.id;
  item.tabIndex = -1;
  item.replaceChildren(h("p", { class: "text is-gone" }, t("hidden")));
}

function drawUnsent(item, { unsent, isGrouped }, actions) {
  const hasFailed = unsent.state === "failed";
  const isAsked = unsent.problem?.code === "confirmation_required";
  item.className = classes("message is-own is-unsent", { "is-grouped": isGrouped, "has-failed": hasFailed });
  delete item.dataset.id;
  const button = (words, handler) =>
    h("button", { class: "link", type: "button", on: { click: () => handler(unsent.nonce) } }, words);
  item.replaceChildren(
    ...head(actions.people, actions.me, h("span"), isGrouped),
    textOf(unsent, actions.me, hasFailed ? t("not_sent") : t("sending")),
    ...(unsent.files ? [h("div", { class: "files" }, fileNames(unsent.files))] : []),
    ...(hasFailed
      ? [
          h(
            "p",
            { class: "problem", role: "alert" },
            explain(new RequestError(unsent.problem.code, unsent.problem)),
            " ",
            button(isAsked ? t("tell_them") : t("try_again"), (nonce) => actions.onRetry(nonce, isAsked)),
            " ",
            button(t("discard"), actions.onDiscard),
          ),
        ]
      : []),
  );
}

/** @param {{name: string|null}} [via]  of a bot or a webhook; what a webhook calls itself stands in its author's place */
function head(people, author, time, isGrouped, via) {
  const name = via?.name ?? author;
  if (isGrouped) return [h("span", { class: "only-heard" }, name), time];
  const isItself = name === author;
  return [
    isItself
      ? avatarOf(people, author)
      : h("span", { class: `avatar ${tint(author)}`, "aria-hidden": "true" }, initialOf(name)),
    h(
      "p",
      { class: "message-head" },
      isItself ? nameOf(people, author, "author") : h("bdi", { class: "author" }, name),
      via && h("span", { class: "bot-badge", title: t("not_a_person", { name: author }) }, t("bot")),
      time,
    ),
  ];
}

function textOf({ text, mentions }, me, remark) {
  const blocks = formatted?.(text, mentions, me) ?? [h("p", { dir: "auto" }, text)];
  if (remark) {
    // Apart from the words: what turns their direction, and is not ended, ends there.
    const line = blocks.at(-1)?.tagName === "P" ? blocks.at(-1) : h("p");
    line.replaceChildren(
      h("span", { class: "words" }, ...line.childNodes),
      " ",
      h("span", { class: "remark" }, remark),
    );
    line.className = "has-remark";
    if (!blocks.includes(line)) blocks.push(line);
  }
  return h("div", { class: "text" }, ...blocks);
}

function filesOf({ files }, actions) {
  if (!files) return [];
  const place = h("div", { class: "files" }, fileNames(files));
  actions.showFiles(place, files).catch(() => {});
  return [place];
}

function reactions(message, { me, onReact }) {
  const entries = Object.entries(message.reactions).filter(([, names]) => names.length > 0);
  if (entries.length === 0) return [];
  const buttons = entries.map(([emoji, names]) =>
    h(
      "button",
      {
        class: "reaction",
        type: "button",
        "aria-pressed": String(names.includes(me)),
        title: peopleLine(names),
        "aria-label": t("reacted", { emoji, count: names.length, names: peopleLine(names) }),
        on: { click: () => onReact(message, emoji) },
      },
      h("bdi", {}, emoji),
      " ",
      String(names.length),
    ),
  );
  return [h("div", { class: "reactions" }, ...buttons)];
}

function classes(always, when) {
  return [always, ...Object.keys(when).filter((name) => when[name])].join(" ");
}
