/** The second factor: set up with an authenticator app, new recovery codes, removed again. */

import { h } from "../../dom.js";
import { explain } from "../../explain.js";
import { t } from "../../words.js";
import { codeInput, passwordInput } from "./fields.js";
import { settingsForm } from "./form.js";
import { shownOnce } from "./once.js";

const PATH = "me/second-factor";

/** @param {import("./form.js").Parts} parts @returns {HTMLElement} */
export function secondFactor({ chat }) {
  const element = h("div", { class: "settings-part" }, h("h3", {}, t("settings.second_factor")));

  async function refresh() {
    try {
      const state = await chat.rest("GET", PATH);
      element.replaceChildren(...(state.is_set_up ? there(state) : [notThere()]));
    } catch (error) {
      element.replaceChildren(h("h3", {}, t("settings.second_factor")), h("p", { class: "form-error", role: "alert" }, explain(error)));
    }
  }

  function notThere() {
    const password = passwordInput("factor-password");
    return settingsForm({
      title: t("settings.second_factor"),
      lead: t("settings.second_factor_lead"),
      fields: [{ input: password, label: t("settings.password") }],
      action: t("settings.set_up"),
      problem: () => (password.value === "" ? t("settings.no_password") : ""),
      submit: async () => begun(await chat.rest("POST", PATH, { password: password.value })),
    });
  }

  function begun({ secret, url, qr_code: image }) {
    const code = codeInput("factor-code");
    const form = settingsForm({
      title: t("settings.type_code"),
      fields: [{ input: code, label: t("settings.code") }],
      action: t("settings.confirm"),
      look: "is-primary",
      problem: () => (code.value === "" ? t("settings.no_code") : ""),
      submit: async () => codes(await chat.rest("POST", `${PATH}/confirm`, { code: code.value })),
    });
    element.replaceChildren(
      h("h3", {}, t("settings.scan")),
      h("img", { class: "qr", src: image, alt: t("settings.qr_code"), width: 220, height: 220 }),
      h("p", {}, t("settings.type_key"), " ", h("code", { class: "secret-key" }, inFours(secret))),
      h("p", {}, h("a", { href: url }, t("settings.open_app"))),
      form,
    );
    code.focus();
  }

  function codes({ recovery_codes: lines }) {
    element.replaceChildren(
      shownOnce({
        title: t("settings.recovery_codes"),
        lead: t("settings.recovery_codes_lead"),
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
      title: t("settings.second_factor"),
      lead: t("settings.factor_is_set_up", { count: left }),
      fields: [{ input: password, label: t("settings.password") }],
      action: t("settings.new_recovery_codes"),
      problem: () => (password.value === "" ? t("settings.no_password") : ""),
      submit: async () => codes(await chat.rest("POST", `${PATH}/recovery-codes`, { password: password.value })),
    });
    return isRequired ? [renewal] : [renewal, removal()];
  }

  function removal() {
    const password = passwordInput("remove-password");
    const code = codeInput("remove-code");
    return settingsForm({
      title: t("settings.remove_factor"),
      lead: t("settings.remove_factor_lead"),
      fields: [
        { input: password, label: t("settings.password") },
        { input: code, label: t("settings.code"), hint: t("settings.code_hint") },
      ],
      action: t("settings.remove"),
      look: "is-danger",
      problem: () => (password.value === "" ? t("settings.no_password") : code.value === "" ? t("settings.no_code") : ""),
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
