/** How this device shows the client: language, theme, clock. Read before anything else is, so it imports nothing. */

const KEPT = "reaktor.appearance";

/** What is chosen here; a name without a value: as the browser has it. @type {{language?: string, theme?: string, hours?: string}} */
export const chosen = {};

/** Keep a choice. A theme is seen at once, the others by the next page. @param {string} name  @param {string} value  or "" */
export function choose(name, value) {
  chosen[name] = value;
  try {
    localStorage.setItem(KEPT, JSON.stringify(chosen));
  } catch {
    // Full or forbidden: this page has it.
  }
  apply();
}

/** Whether dark.css counts. */
function apply() {
  const dark = globalThis.document?.getElementById?.("dark");
  if (dark) dark.media = { light: "not all", dark: "all" }[chosen.theme] ?? "(prefers-color-scheme: dark)";
}

try {
  Object.assign(chosen, JSON.parse(localStorage.getItem(KEPT)));
} catch {
  // Nothing can be remembered here.
}
apply();
