/** Fields that several sections have: for the account's own password, for a code. */

import { textInput } from "../formdialog.js";

/** @param {string} id */
export function passwordInput(id) {
  return textInput({ id, name: "password", type: "password", autocomplete: "current-password" });
}

/** @param {string} id */
export function codeInput(id) {
  return textInput({ id, name: "code", autocomplete: "one-time-code", autocapitalize: "none", maxlength: 32 });
}
