/** Times in words, by the reader's clock and in their language. */

import { chosen } from "./appearance.js";
import { locale, t } from "./words.js";

const hours = { h12: { hourCycle: "h12" }, h23: { hourCycle: "h23" } }[chosen.hours];
const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short", ...hours });
const day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium", ...hours });
const relative = new Intl.RelativeTimeFormat(locale);
const near = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

/** 10:42. @param {Date} date */
export function timeOf(date) {
  return clock.format(date);
}

/** Everything about a moment, for a tooltip. @param {Date} date */
export function momentOf(date) {
  return full.format(date);
}

/** today, yesterday, Monday, 3 March, or 3 March 2024. @param {Date} date  @param {Date} [now] */
export function dayOf(date, now = new Date()) {
  const days = Math.round((midnight(date) - midnight(now)) / 86_400_000);
  if (days === 0 || days === -1) return near.format(days, "day");
  return (date.getFullYear() === now.getFullYear() ? day : dayAndYear).format(date);
}

/** 3 March 2024. @param {Date} date */
export function dateOf(date) {
  return dayAndYear.format(date);
}

/** 14:30 where it is today, else Monday, 5 January at 14:30. @param {Date} date  @param {Date} [now] */
export function whenOf(date, now = new Date()) {
  const isToday = midnight(date) === midnight(now);
  return isToday ? timeOf(date) : t("day_and_time", { day: dayOf(date, now), time: timeOf(date) });
}

/** in 40 seconds, in 3 minutes, in 2 hours. @param {number} seconds */
export function inWords(seconds) {
  if (seconds < 90) return relative.format(Math.max(1, Math.round(seconds)), "second");
  return seconds < 5400
    ? relative.format(Math.round(seconds / 60), "minute")
    : relative.format(Math.round(seconds / 3600), "hour");
}

/** The days of a week, from Monday on. */
export function weekdays() {
  const name = new Intl.DateTimeFormat(locale, { weekday: "long" });
  // The 5th of January 1970 was a Monday.
  return Array.from({ length: 7 }, (_, at) => name.format(new Date(1970, 0, 5 + at)));
}

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}
