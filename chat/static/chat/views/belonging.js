/** To belong to a channel, and to leave it again. Loaded when one of them is wanted. */

import { explain } from "../explain.js";
import { t } from "../words.js";

/** @param {any} view  the ChannelView; by name it would be a circle */
export async function follow({ chat, key, toasts }) {
  try {
    await chat.follow(key);
    toasts.show(t("panels.followed"));
  } catch (error) {
    toasts.show(explain(error));
  }
}

/** @param {any} view  the ChannelView */
export async function leave({ chat, key, toasts, element }) {
  const { kind } = chat.store.channel(key)?.info ?? {};
  // One does not come back to these by oneself.
  const warning = { private: t("panels.leave_private"), group: t("panels.leave_group") }[kind];
  if (warning && !window.confirm(warning)) return;
  try {
    await (kind === "direct" ? chat.hide(key) : chat.leave(key));
    // Who went somewhere else meanwhile stays there.
    if (element.isConnected) location.hash = "#/";
  } catch (error) {
    toasts.show(explain(error));
  }
}
