/**
 * Making and updating elements. Text goes in as text: no string is ever parsed as HTML, here or in any view, and
 * no style or handler attribute is ever set (the content security policy would refuse them anyway).
 */

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "htmlFor", "readOnly"]);
const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `on` maps event names to handlers; false, null and undefined leave an attribute out, true sets it bare.
 * @param {string} tag
 * @param {Object<string, any>} [attributes]
 * @param {...(Node|string|null|false|undefined)} children  strings become text
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [type, handler] of Object.entries(value)) element.addEventListener(type, handler);
    } else if (PROPERTIES.has(name)) {
      element[name] = value;
    } else if (name === "style" || name.startsWith("on")) {
      throw new TypeError(`the attribute ${name} is never set`);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

const ICONS = {
  menu: "M3 5h14M3 10h14M3 15h14",
  people:
    "M7 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6M1.5 16.5c0-3 2.4-5 5.5-5s5.5 2 5.5 5M13 4a2.8 2.8 0 0 1 0 5.3M15 12c2.2.6 3.5 2.2 3.5 4.5",
  link: "M8.5 11.5a3.3 3.3 0 0 0 4.7 0l3-3a3.3 3.3 0 0 0-4.7-4.7l-1 1M11.5 8.5a3.3 3.3 0 0 0-4.7 0l-3 3a3.3 3.3 0 0 0 4.7 4.7l1-1",
  send: "M3 10h13M10.5 4.5 16 10l-5.5 5.5",
  plus: "M10 4v12M4 10h12",
  lock: "M5 9h10v7.500H5zM7 9V6.500a3 3 0 0 1 6 0V9",
  down: "M10 4v12M4.5 10.5 10 16l5.5-5.5",
  close: "M5 5l10 10M15 5 5 15",
  gear: "M10 12.800a2.800 2.800 0 1 0 0-5.600 2.800 2.800 0 0 0 0 5.600M10 2.500v2M10 15.500v2M2.500 10h2M15.500 10h2M4.700 4.700l1.400 1.400M13.900 13.900l1.400 1.400M4.700 15.300l1.400-1.400M13.900 6.100l1.400-1.400",
};

/** A small drawing beside a text that says the same. @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const kept = new WeakMap();

/**
 * Make the children of a container match a list. Elements are kept by key, so that focus and scroll position stay.
 * @template T
 * @param {Element} container  has no other children
 * @param {T[]} items
 * @param {{key: (item: T) => string, create: (item: T) => Element, update?: (element: any, item: T) => void,
 *   same?: (one: T, other: T) => boolean}} how  `update` is called for new items too, and when `same` says no
 */
export function keyed(
  container,
  items,
  { key, create, update = () => {}, same = (one, other) => one === other },
) {
  const before = kept.get(container) ?? new Map();
  const after = new Map();
  const names = items.map(key);
  // First those that go: then hardly any of the others has to be moved, and moving takes the focus away.
  const staying = new Set(names);
  for (const [name, { element }] of before) if (!staying.has(name)) element.remove();
  let place = container.firstChild;
  for (const [index, item] of items.entries()) {
    const name = names[index];
    const known = before.get(name);
    const element = known?.element ?? create(item);
    if (!known || !same(known.item, item)) update(element, item);
    after.set(name, { element, item });
    if (element === place) place = place.nextSibling;
    else container.insertBefore(element, place);
  }
  kept.set(container, after);
}

/** The same text again costs nothing. @param {Node} node  @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Call `draw` at most once per frame, however often it is asked for; without frames (a hidden tab) a little later.
 * @param {() => void} draw
 */
export function frameBatched(draw) {
  let isPlanned = false;
  const run = () => {
    if (!isPlanned) return;
    isPlanned = false;
    draw();
  };
  return () => {
    if (isPlanned) return;
    isPlanned = true;
    if (document.hidden) setTimeout(run, 250);
    else requestAnimationFrame(run);
  };
}

/** A stable choice among a few tints for a name. @param {string} name */
export function tint(name) {
  let sum = 7;
  for (const char of name.toLowerCase()) sum = (sum * 31 + char.codePointAt(0)) % 9973;
  return `tint-${sum % 6}`;
}

/** What is seen as the first character of a name: a letter with its marks, a flag. @param {string} name */
export function initialOf(name) {
  const segments = Intl.Segmenter ? new Intl.Segmenter().segment(name) : [];
  const [{ segment } = { segment: "" }] = segments;
  // Nobody piles up so many marks but to paint over others.
  const first = segment && segment.length <= 16 ? segment : (name.match(/^./su)?.[0] ?? "");
  return first.toUpperCase();
}

/**
 * Whether a key belongs to an input method that composes a character: its Enter confirms a candidate, its Escape drops
 * it. Some browsers end the composition first, and tell it by the key code alone. @param {KeyboardEvent} event
 */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
