/** Times and counts in words, in the reader's language where the browser knows it. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat("en", { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

const NAMED = 20;

/** What stands in the place of a message that is hidden from the reader. */
export const HIDDEN_WORDS = "A message from somebody you blocked";

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
  return (isSameYear(date, now) ? day : dayAndYear).format(date);
}

/** 3 March 2024. @param {Date} date */
export function dateOf(date) {
  return dayAndYear.format(date);
}

function isSameYear(date, now) {
  return date.getFullYear() === now.getFullYear();
}

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** 1 message, 3 messages. @param {number} number  @param {string} noun */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** ada is typing; ada and bob are typing; several people are typing. @param {string[]} names */
export function typingLine(typists) {
  const names = typists.map(isolated);
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are typing…`;
  return "Several people are typing…";
}

/** ada, bob and 12 others. @param {string[]} names */
export function peopleLine(names) {
  const shown = names.slice(0, NAMED).map(isolated).join(", ");
  return names.length > NAMED ? `${shown} and ${count(names.length - NAMED, "other")}` : shown;
}

/** A name that may be written from right to left, so that it turns nothing around it. @param {string} name */
function isolated(name) {
  return /^[ -~]*$/.test(name) ? name : `\u2068${name}\u2069`;
}

/**
 * What was done, until when and why: You are muted here until 14:30: too loud
 * @param {string} what  @param {{until?: string|null, reason: string}} terms  until null: for good; none: not said
 * @param {Date} [now]
 */
export function termsLine(what, { until, reason }, now = new Date()) {
  const ends = until === undefined ? "" : until === null ? " for good" : ` until ${whenOf(new Date(until), now)}`;
  return `${what}${ends}${reason ? `: ${reason}` : "."}`;
}

/** A moment by the reader's clock: 14:30 where it is today, else Monday, 5 January, 14:30. */
function whenOf(date, now) {
  const isToday = midnight(date) === midnight(now);
  return isToday ? timeOf(date) : `${(isSameYear(date, now) ? day : dayAndYear).format(date)}, ${timeOf(date)}`;
}

/** @param {{name: string}[]} [files] */
export const fileNames = (files = []) => files.map(({ name }) => name).join(", ");

/**
 * You were muted in Tea until 14:30: too loud
 * @param {{kind: string, reason: string, until: string|null}} sanction
 * @param {string|null} place  a channel's name; null: everywhere
 */
export function sanctionLine({ kind, reason, until }, place) {
  const what = {
    kick: `You were removed from ${place}`,
    mute: place === null ? "You were muted everywhere" : `You were muted in ${place}`,
    ban: place === null ? "This account was banned" : `You were banned from ${place}`,
    lift: place === null ? "You may write again" : `You may write in ${place} again`,
  };
  // Whoever was removed may come back, and what is lifted has no end.
  const hasEnd = kind === "mute" || kind === "ban";
  return termsLine(what[kind] ?? "A moderator acted on your account", { reason, ...(hasEnd ? { until } : {}) });
}
