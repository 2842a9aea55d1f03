/**
 * How people look: a picture or a letter, and a name. Elements say whom they show (`data-person`), so that refresh()
 * can show them anew where they are; `data-card` opens the card of that person, which the shell loads.
 */

import { h, initialOf, setText, tint } from "../dom.js";

/** @typedef {import("../client/people.js").People} People */

/** The address of somebody's picture in another size. @param {string} url  @param {48|96|256} side */
export function picture(url, side) {
  return url.replace(/\/\d+\.webp$/, `/${side}.webp`);
}

/** @param {People} people  @param {string} username  @param {string} [look]  more classes */
export function avatarOf(people, username, look = "") {
  const element = h("span", { class: `avatar ${tint(username)} ${look}`, "data-person": username, "aria-hidden": "true" });
  drawAvatar(element, people.find(username));
  return element;
}

/** A name that opens the person's card. @param {People} people  @param {string} username  @param {string} look */
export function nameOf(people, username, look) {
  const element = h("button", {
    class: `name-button ${look}`,
    type: "button",
    dir: "auto",
    "data-person": username,
    "data-card": username,
  });
  drawName(element, people.find(username));
  return element;
}

/** The same as a mere text. @param {People} people  @param {string} username  @param {string} look */
export function plainNameOf(people, username, look = "") {
  const element = h("bdi", { class: look, "data-person": username });
  drawName(element, people.find(username));
  return element;
}

/** Everybody who is shown somewhere in there, as they are now. @param {Element} root  @param {People} people */
export function refresh(root, people) {
  for (const element of root.querySelectorAll("[data-person]")) {
    const person = people.find(element.dataset.person);
    if (element.classList.contains("avatar")) drawAvatar(element, person);
    else drawName(element, person);
  }
}

/** What somebody is called. @param {import("../client/types.js").Person|null} person  @param {string} username */
export function shownName(person, username) {
  return person?.display_name || username;
}

function drawAvatar(element, person) {
  const { person: username } = element.dataset;
  const url = person?.avatar_url ?? null;
  if ((element.dataset.url ?? "") === (url ?? "") && element.firstChild) return;
  element.dataset.url = url ?? "";
  const letter = initialOf(username);
  if (url === null) return element.replaceChildren(letter);
  // Also while it loads, and where it is gone, there is something to see.
  const image = h("img", { src: picture(url, 96), alt: "", loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(letter));
  return element.replaceChildren(image);
}

function drawName(element, person) {
  const { person: username } = element.dataset;
  const shown = shownName(person, username);
  setText(element, shown);
  if (shown === username) element.removeAttribute("title");
  else element.title = `@${username}`;
}
