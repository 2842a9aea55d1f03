/** How one is told of what happens while one is not here: on this device, by e-mail, and when not. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { canPush, subscriptionOf, switchOff, switchOn } from "../push.js";
import { settingsForm } from "./form.js";

const DAYS = [
  ["mon", "Monday"],
  ["tue", "Tuesday"],
  ["wed", "Wednesday"],
  ["thu", "Thursday"],
  ["fri", "Friday"],
  ["sat", "Saturday"],
  ["sun", "Sunday"],
];

/** @param {import("./form.js").Parts} parts */
export function notificationsSection({ chat }) {
  const element = h("div", { class: "settings-section" }, h("p", { role: "status" }, "One moment …"));
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
      h("h3", {}, "This device"),
      h("p", { class: "settings-lead" }, "This browser can't show notices while the chat is closed."),
    );
  }
  const form = settingsForm({
    title: "This device",
    lead: isOn
      ? "This browser shows new messages while the chat is closed."
      : "Have this browser show direct messages, mentions, and channels that you follow closely, also while the chat is closed.",
    action: isOn ? "Switch off" : "Switch on",
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
    ["push", "Show notices on my devices"],
    ["preview", "Show who wrote, and the beginning of the message"],
    ["email", "Mail me direct messages and mentions that I have not read"],
  ].map(([name, label]) => checkbox(`notices-${name}`, name, label, chosen[name]));
  return settingsForm({
    title: "What to tell",
    lead: "Mails go to your confirmed address, one in a quarter of an hour at most.",
    choices: boxes.map((box) => box.element),
    action: "Save",
    submit: async () => {
      const wanted = Object.fromEntries(boxes.map(({ input }) => [input.name, input.checked]));
      await chat.rest("PATCH", "me/notifications", wanted);
      return "Saved.";
    },
  });
}

function quietForm(chat, quiet) {
  const zone = quiet?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const isOn = checkbox("quiet-on", "on", "Be quiet at these hours", quiet !== null);
  const times = { from: quiet?.from ?? "22:00", to: quiet?.to ?? "07:00" };
  const [from, to] = Object.entries(times).map(([name, value]) =>
    h("input", { class: "input", id: `quiet-${name}`, name, type: "time", required: true, value }),
  );
  const days = DAYS.map(([day, label]) => checkbox(`quiet-${day}`, day, label, quiet === null || quiet.days.includes(day)));
  const place = h("input", { class: "input", id: "quiet-zone", name: "time_zone", value: zone, autocomplete: "off" });
  return settingsForm({
    title: "Quiet hours",
    lead: "Nothing is sent then. What you have not read when they end is sent afterwards, of each channel the newest.",
    choices: [isOn.element],
    fields: [
      { input: from, label: "From" },
      { input: to, label: "To" },
      { input: place, label: "Time zone", hint: "Such as Europe/Berlin" },
    ],
    after: [h("fieldset", { class: "settings-choices" }, h("legend", {}, "They begin on"), ...days.map((day) => day.element))],
    action: "Save",
    problem: () => (from.value === "" || to.value === "" ? "Please enter both times." : ""),
    submit: async () => {
      const on = days.filter(({ input }) => input.checked).map(({ input }) => input.name);
      const hours = { from: from.value, to: to.value, days: on, time_zone: place.value.trim() };
      await chat.rest("PATCH", "me/notifications", { quiet: isOn.input.checked ? hours : null });
      return "Saved.";
    },
  });
}

function checkbox(id, name, label, checked) {
  const input = h("input", { type: "checkbox", id, name, checked });
  return { input, element: h("label", { class: "settings-choice", for: id }, input, label) };
}
