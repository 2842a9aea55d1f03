/** How this device shows the client: language, theme, clock. */

import { choose, chosen } from "../../appearance.js";
import { h } from "../../dom.js";
import { LANGUAGES } from "../../words/languages.js";
import { t } from "../../words.js";

/** @returns {{element: HTMLElement}} */
export function appearanceSection() {
  const languages = Object.entries(LANGUAGES).map(([code, { name }]) => h("option", { value: code, lang: code }, name));
  const element = h(
    "div",
    { class: "settings-section" },
    h(
      "div",
      { class: "settings-form" },
      h("p", { class: "settings-lead" }, t("settings.on_this_device")),
      field("language", t("settings.language"), option("", t("settings.language_auto")), ...languages),
      field(
        "theme",
        t("settings.theme"),
        option("", t("settings.theme_system")),
        option("light", t("settings.theme_light")),
        option("dark", t("settings.theme_dark")),
      ),
      field(
        "hours",
        t("settings.clock"),
        option("", t("settings.hours_auto")),
        option("h12", t("settings.hours_h12")),
        option("h23", t("settings.hours_h23")),
      ),
    ),
  );
  return { element };
}

function option(value, words) {
  return h("option", { value }, words);
}

/** @param {string} name  of what is chosen */
function field(name, label, ...choices) {
  const id = `appearance-${name}`;
  const select = h("select", { class: "input", id, name }, ...choices);
  select.value = chosen[name] ?? "";
  select.addEventListener("change", () => {
    choose(name, select.value);
    // Words and times are made of it everywhere.
    if (name !== "theme") location.reload();
  });
  return h("div", { class: "field" }, h("label", { for: id }, label), select);
}
