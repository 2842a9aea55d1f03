/** The languages that there are, each called as its speakers call it. `dir` is the direction of its script. */

/** @type {Object<string, {name: string, dir: "ltr"|"rtl", load: () => Promise<any>}>} */
export const LANGUAGES = {
  en: { name: "English", dir: "ltr", load: () => import("./en.js") },
  de: { name: "Deutsch", dir: "ltr", load: () => import("./de.js") },
};
