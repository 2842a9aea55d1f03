/** The card of one person: how they show themselves, since when they are here, and what one may do about them. */

import { h } from "../dom.js";
import { explain } from "../explain.js";
import { dateOf } from "../times.js";
import { t } from "../words.js";
import { picture, shownName } from "./person.js";

/**
 * Open it. The dialog removes itself when it is closed.
 * @param {{chat: import("../client/chat.js").Chat, username: string, onMessage: (key: string) => void}} parts
 */
export function openProfileCard({ chat, username, onMessage }) {
  const error = h("p", { class: "form-error", role: "alert" });
  const body = h("div", { class: "card-body" }, h("p", { class: "settings-lead" }, t("loading")));
  const actions = h("div", { class: "dialog-buttons" });
  const dialog = h(
    "dialog",
    { class: "dialog profile-card", "aria-label": username },
    body,
    error,
    actions,
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const button = (words, look, work) => {
    const element = h("button", { class: `button ${look}`, type: "button" }, words);
    element.addEventListener("click", async () => {
      error.textContent = "";
      element.disabled = true;
      try {
        await work();
      } catch (failure) {
        error.textContent = explain(failure);
      } finally {
        element.disabled = false;
      }
    });
    return element;
  };
  const close = button(t("close"), "", () => dialog.close());

  async function load() {
    const [person, blocked] = await Promise.all([chat.person(username), chat.blocked()]);
    body.replaceChildren(...drawn(person));
    const isMe = person.username === chat.store.me.username;
    const isBlocked = blocked.some((name) => name.toLowerCase() === person.username.toLowerCase());
    const message = button(t("message"), "is-primary", async () => {
      const key = await chat.openDirect([person.username]);
      dialog.close();
      onMessage(key);
    });
    const block = button(isBlocked ? t("panels.unblock") : t("panels.block"), "is-quiet", async () => {
      await chat.block(person.username, !isBlocked);
      await load();
    });
    actions.replaceChildren(...(isMe ? [h("a", { class: "button", href: "#/settings/profile" }, t("edit"))] : [block]), close);
    if (!isMe && !isBlocked) actions.append(message);
  }

  dialog.addEventListener("click", (event) => event.target.closest("a") && dialog.close());
  actions.append(close);
  document.body.append(dialog);
  dialog.showModal();
  load().catch((failure) => {
    body.replaceChildren(h("h2", {}, username));
    error.textContent = failure.code === "not_found" ? t("panels.account_gone") : explain(failure);
  });
}

function drawn(person) {
  const name = shownName(person, person.username);
  const face = person.avatar_url
    ? h("img", { class: "card-picture", src: picture(person.avatar_url, 256), alt: "", width: 128, height: 128 })
    : null;
  return [
    face,
    h("h2", {}, name, person.is_bot && h("span", { class: "bot-mark" }, t("bot"))),
    h("p", { class: "card-username" }, `@${person.username}`),
    person.status_text !== "" && h("p", { class: "card-status", dir: "auto" }, person.status_text),
    h("p", { class: "card-since" }, t("panels.here_since", { date: dateOf(new Date(person.created_at)) })),
  ].filter(Boolean);
}
