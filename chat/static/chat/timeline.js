/**
 * What stands in a channel's list, from top to bottom: days, the mark of what is new, messages, unsent ones.
 * Pure: from state to rows, with keys that stay the same while a row means the same.
 */

import { dayOf } from "./times.js";

const GROUP_MS = 5 * 60_000;

/**
 * @typedef {object} Row
 * @property {"day"|"new"|"message"|"unsent"} kind
 * @property {string} key
 * @property {string} [words]       for a day
 * @property {import("./client/types.js").Message} [message]
 * @property {import("./client/types.js").Unsent} [unsent]
 * @property {boolean} [isGrouped]  by the same author as the row above, shortly after it
 * @property {boolean} [isOwn]
 */

/**
 * @param {object} what
 * @param {import("./client/types.js").Message[]} what.messages
 * @param {import("./client/types.js").Unsent[]} what.unsent
 * @param {string} what.me
 * @param {number} what.readNumber  messages above it are new; Infinity for none
 * @param {Date} what.now
 * @returns {Row[]}
 */
export function timeline({ messages, unsent, me, readNumber, now }) {
  const rows = [];
  let above = null;
  let isMarked = false;
  for (const message of messages) {
    const at = Date.parse(message.created_at);
    const date = new Date(at);
    const dayKey = `day/${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
    if (above?.dayKey !== dayKey) {
      rows.push({ kind: "day", key: dayKey, words: dayOf(date, now) });
      above = null;
    }
    const isOwn = message.author === me;
    if (!isMarked && message.number > readNumber && !isOwn) {
      isMarked = true;
      above = null;
      rows.push({ kind: "new", key: "new" });
    }
    const isGrouped =
      above !== null &&
      above.author === message.author &&
      above.name === message.via?.name &&
      at - above.at < GROUP_MS;
    rows.push({ kind: "message", key: rowKey(message, isOwn), message, isGrouped, isOwn });
    // A hidden one does not say whose it is, so nothing is grouped with it.
    above = { dayKey, author: message.hidden ? null : message.author, name: message.via?.name, at };
  }
  for (const entry of unsent) {
    const at = Date.parse(entry.created_at);
    const isGrouped = above !== null && above.author === me && at - above.at < GROUP_MS;
    rows.push({ kind: "unsent", key: `nonce/${entry.nonce}`, unsent: entry, isGrouped, isOwn: true });
    above = { dayKey: above?.dayKey, author: me, at };
  }
  return rows;
}

/** One's own message keeps the row it had while it was unsent. */
function rowKey(message, isOwn) {
  return isOwn && message.nonce ? `nonce/${message.nonce}` : message.id;
}

/** Whether a row looks the same as before. @param {Row} one  @param {Row} other */
export function isSameRow(one, other) {
  return (
    one.kind === other.kind &&
    one.message === other.message &&
    one.unsent === other.unsent &&
    one.isGrouped === other.isGrouped &&
    one.words === other.words
  );
}
