/** How one is told of what happens while one is not here: on this device, by e-mail, and when not. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { weekdays } from "../../times.js";
import { t } from "../../words.js";
import { canPush, subscriptionOf, switchOff, switchOn } from "../push.js";
import { settingsForm } from "./form.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** @param {import("./form.js").Parts} parts */
export function notificationsSection({ chat }) {
  const element = h("div", { class: "settings-section" }, h("p", { role: "status" }, t("settings.one_moment")));
  show(element, chat).catch((failure) => {
    element.replaceChildren(h("p", { class: "form-error", role: "alert" }, explain(failure)));
  });
  return { element };
}

async function show(element, chat) {
  const [chosen, subscription] = await Promise.all([chat.rest("GET", "me/notifications"), subscriptionOf(chat)]);
  element.replaceChildren(deviceForm(chat, subscription !== null), wantedForm(chat, chosen), quietForm(chat, chosen.quiet));
}

function deviceForm(chat, isOn) {
  if (!canPush()) {
    return h(
      "div",
      { class: "settings-form" },
      h("h3", {}, t("settings.this_device")),
      h("p", { class: "settings-lead" }, t("settings.cannot_push")),
    );
  }
  const form = settingsForm({
    title: t("settings.this_device"),
    lead: isOn ? t("settings.push_is_on") : t("settings.push_lead"),
    action: isOn ? t("settings.switch_off") : t("settings.switch_on"),
    submit: async () => {
      const problem = await (isOn ? switchOff(chat) : switchOn(chat));
      if (problem) return problem;
      form.replaceWith(deviceForm(chat, !isOn));
    },
  });
  return form;
}

function wantedForm(chat, chosen) {
  const boxes = [
    ["push", t("settings.tell_push")],
    ["preview", t("settings.tell_preview")],
    ["email", t("settings.tell_email")],
  ].map(([name, label]) => checkbox(`notices-${name}`, name, label, chosen[name]));
  return settingsForm({
    title: t("settings.what_to_tell"),
    lead: t("settings.what_to_tell_lead"),
    choices: boxes.map((box) => box.element),
    action: t("save"),
    submit: async () => {
      const wanted = Object.fromEntries(boxes.map(({ input }) => [input.name, input.checked]));
      await chat.rest("PATCH", "me/notifications", wanted);
      return t("settings.saved");
    },
  });
}

function quietForm(chat, quiet) {
  const zone = quiet?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const isOn = checkbox("quiet-on", "on", t("settings.be_quiet"), quiet !== null);
  const times = { from: quiet?.from ?? "22:00", to: quiet?.to ?? "07:00" };
  const [from, to] = Object.entries(times).map(([name, value]) =>
    h("input", { class: "input", id: `quiet-${name}`, name, type: "time", required: true, value }),
  );
  const names = weekdays();
  const days = DAYS.map((day, at) => checkbox(`quiet-${day}`, day, names[at], quiet === null || quiet.days.includes(day)));
  const place = h("input", { class: "input", id: "quiet-zone", name: "time_zone", value: zone, autocomplete: "off" });
  return settingsForm({
    title: t("settings.quiet_hours"),
    lead: t("settings.quiet_lead"),
    choices: [isOn.element],
    fields: [
      { input: from, label: t("settings.quiet_from") },
      { input: to, label: t("settings.quiet_to") },
      { input: place, label: t("settings.time_zone"), hint: t("settings.time_zone_hint") },
    ],
    after: [h("fieldset", { class: "settings-choices" }, h("legend", {}, t("settings.quiet_days")), ...days.map((day) => day.element))],
    action: t("save"),
    problem: () => (from.value === "" || to.value === "" ? t("settings.no_times") : ""),
    submit: async () => {
      const on = days.filter(({ input }) => input.checked).map(({ input }) => input.name);
      const hours = { from: from.value, to: to.value, days: on, time_zone: place.value.trim() };
      await chat.rest("PATCH", "me/notifications", { quiet: isOn.input.checked ? hours : null });
      return t("settings.saved");
    },
  });
}

function checkbox(id, name, label, checked) {
  const input = h("input", { type: "checkbox", id, name, checked });
  return { input, element: h("label", { class: "settings-choice", for: id }, input, label) };
}
