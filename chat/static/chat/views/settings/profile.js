/** How one shows oneself: display name, status, picture; and whose first message one takes. */

import { h } from "../../dom.js";
import { textInput } from "../formdialog.js";
import { avatarOf } from "../person.js";
import { settingsForm } from "./form.js";

const DIRECT_FROM = [
  ["everybody", "Everybody"],
  ["shared", "Who shares a channel with me"],
  ["nobody", "Nobody"],
];

/** @param {import("./form.js").Parts} parts */
export function profileSection({ chat }) {
  const { me } = chat.store;
  const displayName = textInput({ id: "profile-name", name: "display_name", maxlength: "64", value: me.display_name ?? "" });
  const status = textInput({ id: "profile-status", name: "status_text", maxlength: "100", value: me.status_text ?? "" });
  const file = h("input", {
    class: "input",
    id: "profile-picture",
    type: "file",
    accept: "image/png,image/jpeg,image/webp,image/gif",
  });
  const face = h("div", { class: "profile-face" });
  const remove = h("button", { class: "button is-quiet is-small", type: "button" }, "Remove the picture");
  const removed = h("p", { class: "form-done", role: "status" });
  const from = h(
    "select",
    { class: "input", id: "profile-direct-from", name: "direct_from" },
    ...DIRECT_FROM.map(([value, words]) => h("option", { value }, words)),
  );

  function draw() {
    face.replaceChildren(avatarOf(chat.people, me.username, "is-large"));
    remove.hidden = !chat.people.find(me.username)?.avatar_url;
  }
  remove.addEventListener("click", async () => {
    await chat.showMyself("DELETE", "me/avatar");
    removed.textContent = "The picture is removed.";
    draw();
  });
  const element = h(
    "div",
    { class: "settings-section" },
    settingsForm({
      title: "Name and status",
      lead: `Others see these beside what you write. Your user name stays ${me.username}.`,
      fields: [
        { input: displayName, label: "Display name", hint: "Up to 64 characters. Empty: your user name is shown." },
        { input: status, label: "Status", hint: "Up to 100 characters, on your card." },
      ],
      action: "Save",
      submit: async () => {
        const shown = await chat.showMyself("PATCH", "me", { display_name: displayName.value, status_text: status.value });
        displayName.value = shown.display_name;
        status.value = shown.status_text;
        return "Saved.";
      },
    }),
    settingsForm({
      title: "Picture",
      lead: "PNG, JPEG, WebP or GIF, up to 5 MiB. Its middle is shown as a circle; where and when it was taken is not kept.",
      fields: [{ input: file, label: "Choose a picture" }],
      action: "Use this picture",
      problem: () => (file.files.length === 0 ? "Please choose a picture." : ""),
      submit: async () => {
        removed.textContent = "";
        await chat.showMyself("PUT", "me/avatar", file.files[0]);
        file.value = "";
        draw();
        return "This is your picture now.";
      },
    }),
    h("div", { class: "settings-form" }, face, remove, removed),
    settingsForm({
      title: "Messages to you alone",
      lead: "Whose first message reaches you. Conversations that there are go on.",
      fields: [{ input: from, label: "From" }],
      action: "Save",
      submit: async () => {
        await chat.rest("PATCH", "me", { direct_from: from.value });
        return "Saved.";
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
