/** Where one is logged in right now, and the button that ends each. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { whenOf } from "../../times.js";
import { t } from "../../words.js";

/** @param {import("./form.js").Parts} parts @returns {HTMLElement} */
export function sessions({ chat, toasts }) {
  const list = h("ul", { class: "settings-rows", "aria-label": t("settings.logged_in_now") });

  async function refresh() {
    try {
      list.replaceChildren(...(await chat.rest("GET", "me/sessions")).results.map(row));
    } catch (error) {
      toasts.show(explain(error));
    }
  }

  function row({ id, transport, address, since, is_current: isCurrent }) {
    const way = transport === "socketio" ? t("settings.way_socketio") : t("settings.way_native");
    const what = isCurrent ? t("settings.here") : way;
    const end = async () => {
      try {
        await chat.rest("DELETE", `me/sessions/${id}`);
      } catch (error) {
        toasts.show(explain(error));
      }
      await refresh();
    };
    const button = h(
      "button",
      { class: "button is-small", type: "button", "aria-label": t("settings.log_out_this", { what, address }), on: { click: end } },
      t("settings.log_out_there"),
    );
    return h(
      "li",
      {},
      h(
        "span",
        {},
        h("strong", {}, what),
        " ",
        h("span", { class: "settings-aside" }, t("settings.session_since", { address, when: whenOf(new Date(since)) })),
      ),
      !isCurrent && button,
    );
  }

  refresh();
  return h(
    "section",
    { class: "settings-form" },
    h("h3", {}, t("settings.logged_in_now")),
    h("p", { class: "settings-lead" }, t("settings.logged_in_lead")),
    list,
  );
}
