/** The strip that says when the line is down, when it is tried again, and what can be done meanwhile. */

import { h, setText } from "../dom.js";
import { explainEnd } from "../explain.js";
import { t } from "../words.js";

// A line that is back within this time was hardly gone: no need to make anybody look up.
const PATIENCE_MS = 700;

export class Banner {
  /** @param {{session: import("../client/session.js").Session}} parts */
  constructor({ session }) {
    this.session = session;
    this.text = h("span", { role: "status" });
    this.countdown = h("span", { class: "banner-count", "aria-hidden": "true" });
    this.button = h("button", {
      class: "button is-small",
      type: "button",
      on: { click: () => this.#again() },
    });
    this.element = h(
      "div",
      { class: "banner", hidden: true },
      h("p", {}, this.text, " ", this.countdown),
      this.button,
    );
    this.since = 0;
    this.ticker = 0;
  }

  /** @param {import("../client/session.js").SessionState} state */
  update(state) {
    clearInterval(this.ticker);
    if (state.name === "live" || state.name === "idle") {
      this.since = 0;
      this.element.hidden = true;
      return;
    }
    this.since ||= Date.now();
    this.#draw(state);
    if (state.name !== "ended") this.ticker = setInterval(() => this.#draw(state), 250);
  }

  #draw(state) {
    const isEnded = state.name === "ended";
    this.element.hidden = !isEnded && Date.now() - this.since < PATIENCE_MS;
    this.button.hidden = state.name === "connecting";
    setText(this.button, isEnded ? t("connect_again") : t("try_now"));
    if (isEnded) {
      setText(this.text, explainEnd(state));
      setText(this.countdown, "");
      return;
    }
    setText(this.text, t("no_connection"));
    const left = Math.max(1, Math.ceil(((state.retryAt ?? 0) - Date.now()) / 1000));
    setText(this.countdown, state.name === "connecting" ? t("connecting") : t("next_try", { seconds: left }));
  }

  #again() {
    if (this.session.state.name === "ended") this.session.start();
    else this.session.retryNow();
  }

  destroy() {
    clearInterval(this.ticker);
  }
}
