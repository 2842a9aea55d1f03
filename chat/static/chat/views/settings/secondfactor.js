/** The second factor: set up with an authenticator app, new recovery codes, removed again. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { count } from "../../words.js";
import { codeInput, passwordInput } from "./fields.js";
import { settingsForm } from "./form.js";
import { shownOnce } from "./once.js";

const PATH = "me/second-factor";
const TITLE = "Second factor";
const NO_PASSWORD = "Please enter your password.";
const NO_CODE = "Please enter a code.";

/** @param {import("./form.js").Parts} parts @returns {HTMLElement} */
export function secondFactor({ chat }) {
  const element = h("div", { class: "settings-part" }, h("h3", {}, TITLE));

  async function refresh() {
    try {
      const state = await chat.rest("GET", PATH);
      element.replaceChildren(...(state.is_set_up ? there(state) : [notThere()]));
    } catch (error) {
      element.replaceChildren(h("h3", {}, TITLE), h("p", { class: "form-error", role: "alert" }, explain(error)));
    }
  }

  function notThere() {
    const password = passwordInput("factor-password");
    return settingsForm({
      title: TITLE,
      lead:
        "With one, logging in asks for a code of an app on your phone as well. " +
        "Who learns your password can then do nothing with it.",
      fields: [{ input: password, label: "Password" }],
      action: "Set up",
      problem: () => (password.value === "" ? NO_PASSWORD : ""),
      submit: async () => begun(await chat.rest("POST", PATH, { password: password.value })),
    });
  }

  function begun({ secret, url, qr_code: image }) {
    const code = codeInput("factor-code");
    const form = settingsForm({
      title: "Type the code that the app shows now",
      fields: [{ input: code, label: "Code" }],
      action: "Confirm",
      look: "is-primary",
      problem: () => (code.value === "" ? NO_CODE : ""),
      submit: async () => codes(await chat.rest("POST", `${PATH}/confirm`, { code: code.value })),
    });
    element.replaceChildren(
      h("h3", {}, "Scan this with an authenticator app"),
      h("img", { class: "qr", src: image, alt: "QR code for the authenticator app", width: 220, height: 220 }),
      h("p", {}, "Or type in the key: ", h("code", { class: "secret-key" }, inFours(secret))),
      h("p", {}, h("a", { href: url }, "Open the app on this device")),
      form,
    );
    code.focus();
  }

  function codes({ recovery_codes: lines }) {
    element.replaceChildren(
      shownOnce({
        title: "Recovery codes",
        lead:
          "Each of them logs you in once, when your app is lost. They are shown now and never again: " +
          "print them, or put them into your password manager.",
        lines,
        file: `${chat.store.me.username}-recovery-codes.txt`,
        onDone: refresh,
      }),
    );
    element.querySelector("h3").focus();
  }

  function there({ is_required: isRequired, recovery_codes_left: left }) {
    const password = passwordInput("codes-password");
    const renewal = settingsForm({
      title: TITLE,
      lead: `It is set up: logging in asks for a code. ${count(left, "recovery code")} left.`,
      fields: [{ input: password, label: "Password" }],
      action: "New recovery codes",
      problem: () => (password.value === "" ? NO_PASSWORD : ""),
      submit: async () => codes(await chat.rest("POST", `${PATH}/recovery-codes`, { password: password.value })),
    });
    return isRequired ? [renewal] : [renewal, removal()];
  }

  function removal() {
    const password = passwordInput("remove-password");
    const code = codeInput("remove-code");
    return settingsForm({
      title: "Remove the second factor",
      lead: "From then on your password alone logs you in.",
      fields: [
        { input: password, label: "Password" },
        { input: code, label: "Code", hint: "Of your app, or a recovery code." },
      ],
      action: "Remove",
      look: "is-danger",
      problem: () => (password.value === "" ? NO_PASSWORD : code.value === "" ? NO_CODE : ""),
      submit: async () => {
        await chat.rest("DELETE", PATH, { password: password.value, code: code.value });
        await refresh();
      },
    });
  }

  refresh();
  return element;
}

/** For typing it in. @param {string} secret */
function inFours(secret) {
  return secret.match(/.{1,4}/g).join(" ");
}
