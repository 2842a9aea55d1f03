/** The account itself: take one's data along, and delete it. */

import { h } from "../../dom.js";
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
      title: "Your data",
      lead: "A file with what this server keeps of you: your account, your channels, your messages and reactions.",
      action: "Download",
      submit: () => download(chat),
    }),
    settingsForm({
      title: "Delete the account",
      lead:
        "For good: you are logged out everywhere. Your messages lose your name, or are deleted, as this server is set up.",
      fields: [{ input: password, label: "Password" }],
      action: "Delete my account",
      look: "is-danger",
      problem: () => (password.value === "" ? "Please enter your password." : ""),
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
  return "The file is in your downloads.";
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
