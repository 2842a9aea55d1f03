/** Times and counts in words, in the reader's language where the browser knows it. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat("en", { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** 10:42. @param {Date} date */
export function timeOf(date) {
  return clock.format(date);
}

/** Everything about a moment, for a tooltip. @param {Date} date */
export function momentOf(date) {
  return full.format(date);
}

/** Today, Yesterday, Monday, 3 March, or 3 March 2024. @param {Date} date  @param {Date} now */
export function dayOf(date, now) {
  const days = Math.round((midnight(now) - midnight(date)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return date.getFullYear() === now.getFullYear() ? day.format(date) : dayAndYear.format(date);
}

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** 1 message, 3 messages. @param {number} number  @param {string} noun */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** ada is typing; ada and bob are typing; several people are typing. @param {string[]} names */
export function typingLine(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are typing…`;
  return "Several people are typing…";
}

/**
 * You were muted in Tea: too loud
 * @param {{kind: string, reason: string}} sanction  @param {string|null} place  a channel's name; null: everywhere
 */
export function sanctionLine({ kind, reason }, place) {
  const what = {
    kick: `You were removed from ${place}`,
    mute: place === null ? "You were muted everywhere" : `You were muted in ${place}`,
    ban: place === null ? "This account was banned" : `You were banned from ${place}`,
    lift: place === null ? "You may write again" : `You may write in ${place} again`,
  };
  return `${what[kind] ?? "A moderator acted on your account"}${reason ? `: ${reason}` : "."}`;
}
