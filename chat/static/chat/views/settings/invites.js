/** Server invites: links that let somebody register. Make one, copy it, take it back. */

import { h } from "../../dom.js";
import { copyText } from "../clipboard.js";
import { explain } from "../../explain.js";
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
      "aria-label": "Invite link",
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
        h("button", { class: "button", type: "button", on: { click: () => copy(link, field) } }, "Copy"),
        h("button", { class: "button", type: "button", on: { click: () => revoke(invite.code) } }, "Revoke"),
      ),
    );
  }

  async function copy(link, field) {
    const isCopied = await copyText(link, () => field.select());
    toasts.show(isCopied ? "The link is copied." : "It is marked: copy it with your keyboard.");
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
    title: "Invite somebody",
    lead: "Whoever has the link can make an account here.",
    fields: [
      { input: uses, label: "For how many people", hint: "Empty: any number." },
      { input: days, label: "For how many days", hint: "Empty: until you revoke it." },
    ],
    action: "Make a link",
    look: "is-primary",
    problem: () => ([uses, days].every(isGood) ? "" : "Please enter whole numbers above 0, or nothing."),
    submit: async () => {
      const ends = days.value && new Date(Date.now() + Number(days.value) * DAY_MS).toISOString();
      await chat.rest("POST", "server-invites", {
        ...(uses.value && { uses: Number(uses.value) }),
        ...(ends && { expires_at: ends }),
      });
      await onDone();
      return "The link is made.";
    },
  });
}

/** How many may still come, and until when. */
function about({ created_by: by, uses_left: left, used, expires_at: ends }) {
  const many = left === null ? "any number of accounts" : `${left} more ${left === 1 ? "account" : "accounts"}`;
  const until = ends === null ? "" : `, until ${new Date(ends).toLocaleDateString()}`;
  return `By ${by}: for ${many}${until}. Used ${used} ${used === 1 ? "time" : "times"}.`;
}

function numberInput(id, value) {
  return textInput({ id, name: id, inputmode: "numeric", value });
}

function isGood({ value }) {
  return value === "" || (/^\d{1,5}$/.test(value) && Number(value) > 0);
}
