/** The account itself: take one's data along, and delete it. */

import { h } from "../../dom.js";
import { t } from "../../words.js";
import { textInput } from "../formdialog.js";
import { settingsForm } from "./form.js";

const LONGEST_WAIT_S = 60;

/** @param {import("./form.js").Parts} parts */
export function accountSection({ chat, onLogOut }) {
  const password = textInput({
    id: "delete-password",
    name: "password",
    type: "password",
    autocomplete: "current-password",
  });
  const element = h(
    "div",
    { class: "settings-section" },
    settingsForm({
      title: t("settings.your_data"),
      lead: t("settings.your_data_lead"),
      action: t("settings.download"),
      submit: () => download(chat),
    }),
    settingsForm({
      title: t("settings.delete_account"),
      lead: t("settings.delete_account_lead"),
      fields: [{ input: password, label: t("settings.password") }],
      action: t("settings.delete_my_account"),
      look: "is-danger",
      problem: () => (password.value === "" ? t("settings.no_password") : ""),
      submit: async () => {
        await chat.rest("DELETE", "me", { password: password.value });
        onLogOut();
      },
    }),
  );
  return { element };
}

async function download(chat) {
  const pages = [];
  let cursor = "";
  do {
    const query = cursor === "" ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    pages.push(await patiently(() => chat.rest("GET", `me/export${query}`)));
    cursor = pages.at(-1).next ?? "";
  } while (cursor !== "");
  const url = URL.createObjectURL(new Blob([JSON.stringify(pages, null, 1)], { type: "application/json" }));
  h("a", { href: url, download: `${chat.store.me.username}.json` }).click();
  URL.revokeObjectURL(url);
  return t("settings.in_downloads");
}

/** Long histories take more pages than one may ask for at once. */
async function patiently(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const waitS = error.retryAfterS ?? 1;
      if (error.code !== "rate_limited" || waitS > LONGEST_WAIT_S) throw error;
      await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
    }
  }
}
