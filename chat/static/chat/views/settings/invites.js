/** Server invites: links that let somebody register. Make one, copy it, take it back. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { dateOf } from "../../times.js";
import { t } from "../../words.js";
import { copyText } from "../clipboard.js";
import { textInput } from "../formdialog.js";
import { settingsForm } from "./form.js";

const DAY_MS = 86_400_000;

/** @param {import("./form.js").Parts} parts */
export function invitesSection({ chat, toasts }) {
  const list = h("ul", { class: "invite-list" });
  const error = h("p", { class: "form-error", role: "alert" });

  async function show() {
    try {
      const { results } = await chat.rest("GET", "server-invites");
      list.replaceChildren(...results.map(row));
      error.textContent = "";
    } catch (failure) {
      error.textContent = explain(failure);
    }
  }

  function row(invite) {
    const link = `${location.origin}/#/invite/${invite.code}`;
    const field = h("input", {
      class: "input",
      readOnly: true,
      value: link,
      "aria-label": t("settings.invite_link"),
      on: { focus: (event) => event.target.select() },
    });
    return h(
      "li",
      { class: "invite" },
      field,
      h("span", { class: "field-hint" }, about(invite)),
      h(
        "span",
        { class: "settings-buttons" },
        h("button", { class: "button", type: "button", on: { click: () => copy(link, field) } }, t("copy")),
        h("button", { class: "button", type: "button", on: { click: () => revoke(invite.code) } }, t("settings.revoke")),
      ),
    );
  }

  async function copy(link, field) {
    const isCopied = await copyText(link, () => field.select());
    toasts.show(isCopied ? t("settings.link_copied") : t("settings.is_marked"));
  }

  async function revoke(code) {
    try {
      await chat.rest("DELETE", `server-invites/${code}`);
      await show();
    } catch (failure) {
      error.textContent = explain(failure);
    }
  }

  show();
  return { element: h("div", { class: "settings-section" }, newForm(chat, show), list, error) };
}

function newForm(chat, onDone) {
  const uses = numberInput("invite-uses", "1");
  const days = numberInput("invite-days", "7");
  return settingsForm({
    title: t("settings.invite_somebody"),
    lead: t("settings.invite_lead"),
    fields: [
      { input: uses, label: t("settings.invite_uses"), hint: t("settings.invite_uses_hint") },
      { input: days, label: t("settings.invite_days"), hint: t("settings.invite_days_hint") },
    ],
    action: t("settings.make_link"),
    look: "is-primary",
    problem: () => ([uses, days].every(isGood) ? "" : t("settings.invite_numbers")),
    submit: async () => {
      const ends = days.value && new Date(Date.now() + Number(days.value) * DAY_MS).toISOString();
      await chat.rest("POST", "server-invites", {
        ...(uses.value && { uses: Number(uses.value) }),
        ...(ends && { expires_at: ends }),
      });
      await onDone();
      return t("settings.link_made");
    },
  });
}

/** How many may still come, and until when. */
function about({ created_by: by, uses_left: left, used, expires_at: ends }) {
  const sentences = [
    t("settings.invite_by", { name: by }),
    left === null ? t("settings.invite_any") : t("settings.invite_left", { count: left }),
    ends !== null && t("settings.invite_until", { date: dateOf(new Date(ends)) }),
    t("settings.invite_used", { count: used }),
  ];
  return sentences.filter(Boolean).join(" ");
}

function numberInput(id, value) {
  return textInput({ id, name: id, inputmode: "numeric", value });
}

function isGood({ value }) {
  return value === "" || (/^\d{1,5}$/.test(value) && Number(value) > 0);
}
