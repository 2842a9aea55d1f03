/** Where one is logged in right now, and the button that ends each. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { dayOf, timeOf } from "../../words.js";

const WAYS = { native: "Web or app", socketio: "Older client" };

/** @param {import("./form.js").Parts} parts @returns {HTMLElement} */
export function sessions({ chat, toasts }) {
  const list = h("ul", { class: "settings-rows", "aria-label": "Logged in now" });

  async function refresh() {
    try {
      list.replaceChildren(...(await chat.rest("GET", "me/sessions")).results.map(row));
    } catch (error) {
      toasts.show(explain(error));
    }
  }

  function row({ id, transport, address, since, is_current: isCurrent }) {
    const at = new Date(since);
    const what = isCurrent ? "Here" : (WAYS[transport] ?? transport);
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
      { class: "button is-small", type: "button", "aria-label": `Log out ${what}, ${address}`, on: { click: end } },
      "Log out there",
    );
    return h(
      "li",
      {},
      h(
        "span",
        {},
        h("strong", {}, what),
        " ",
        h("span", { class: "settings-aside" }, `${address}, since ${dayOf(at, new Date())}, ${timeOf(at)}`),
      ),
      !isCurrent && button,
    );
  }

  refresh();
  return h(
    "section",
    { class: "settings-form" },
    h("h3", {}, "Logged in now"),
    h("p", { class: "settings-lead" }, "End what is not yours, then change your password."),
    list,
  );
}
