/** How one shows oneself: display name, status, picture; and whose first message one takes. */

import { h } from "../../dom.js";
import { t } from "../../words.js";
import { textInput } from "../formdialog.js";
import { avatarOf } from "../person.js";
import { settingsForm } from "./form.js";

const NAME_CHARS = 64;
const STATUS_CHARS = 100;

/** @param {import("./form.js").Parts} parts */
export function profileSection({ chat }) {
  const { me } = chat.store;
  const displayName = textInput({ id: "profile-name", name: "display_name", maxlength: NAME_CHARS, value: me.display_name ?? "" });
  const status = textInput({ id: "profile-status", name: "status_text", maxlength: STATUS_CHARS, value: me.status_text ?? "" });
  const file = h("input", {
    class: "input",
    id: "profile-picture",
    type: "file",
    accept: "image/png,image/jpeg,image/webp,image/gif",
  });
  const face = h("div", { class: "profile-face" });
  const remove = h("button", { class: "button is-quiet is-small", type: "button" }, t("settings.remove_picture"));
  const removed = h("p", { class: "form-done", role: "status" });
  const from = h(
    "select",
    { class: "input", id: "profile-direct-from", name: "direct_from" },
    h("option", { value: "everybody" }, t("settings.from_everybody")),
    h("option", { value: "shared" }, t("settings.from_shared")),
    h("option", { value: "nobody" }, t("settings.from_nobody")),
  );

  function draw() {
    face.replaceChildren(avatarOf(chat.people, me.username, "is-large"));
    remove.hidden = !chat.people.find(me.username)?.avatar_url;
  }
  remove.addEventListener("click", async () => {
    await chat.showMyself("DELETE", "me/avatar");
    removed.textContent = t("settings.picture_removed");
    draw();
  });
  const element = h(
    "div",
    { class: "settings-section" },
    settingsForm({
      title: t("settings.name_and_status"),
      lead: t("settings.name_lead", { name: me.username }),
      fields: [
        { input: displayName, label: t("settings.display_name"), hint: t("settings.display_name_hint", { count: NAME_CHARS }) },
        { input: status, label: t("settings.status"), hint: t("settings.status_hint", { count: STATUS_CHARS }) },
      ],
      action: t("save"),
      submit: async () => {
        const shown = await chat.showMyself("PATCH", "me", { display_name: displayName.value, status_text: status.value });
        displayName.value = shown.display_name;
        status.value = shown.status_text;
        return t("settings.saved");
      },
    }),
    settingsForm({
      title: t("settings.picture"),
      lead: t("settings.picture_lead"),
      fields: [{ input: file, label: t("settings.choose_picture") }],
      action: t("settings.use_picture"),
      problem: () => (file.files.length === 0 ? t("settings.no_picture") : ""),
      submit: async () => {
        removed.textContent = "";
        await chat.showMyself("PUT", "me/avatar", file.files[0]);
        file.value = "";
        draw();
        return t("settings.picture_used");
      },
    }),
    h("div", { class: "settings-form" }, face, remove, removed),
    settingsForm({
      title: t("settings.direct"),
      lead: t("settings.direct_lead"),
      fields: [{ input: from, label: t("settings.from") }],
      action: t("save"),
      submit: async () => {
        await chat.rest("PATCH", "me", { direct_from: from.value });
        return t("settings.saved");
      },
    }),
  );
  draw();
  chat.rest("GET", "me").then(
    (found) => {
      from.value = found.direct_from;
      chat.people.take(found);
      draw();
    },
    () => {},
  );
  const stop = chat.people.subscribe(draw);
  return { element, destroy: stop };
}
