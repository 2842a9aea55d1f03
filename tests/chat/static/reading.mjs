// Reads modules of the web client as a browser does: which words they show by themselves, which words of the catalogues
// they say, what they import. `node reading.mjs <folder> <module>…` prints it as JSON; test_words.py judges it.

import { readFileSync } from "node:fs";
import { posix, resolve } from "node:path";

import { parse } from "acorn";
import { ancestor } from "acorn-walk";

const [folder, ...names] = process.argv.slice(2);

// Where texts go that nobody reads.
const SILENT_CALLS = new Set(
  ("querySelector querySelectorAll closest matches matchMedia insertRule addEventListener getElementById setRequestHeader " +
    "classes RegExp RequestError TypeError Error").split(" "),
);
const SILENT_KEYS = new Set(["class", "className", "rel", "accept", "media"]);
// Where whatever is written is read.
const READ_ATTRIBUTES = new Set("aria-label aria-description aria-roledescription aria-valuetext title placeholder alt label".split(" "));
const READ_PROPERTIES = new Set(["textContent", "innerText", "title", "placeholder", "alt", "ariaLabel"]);
const READ_CALLS = new Set(["show", "announce", "confirm", "alert", "prompt"]);
// What is the same in every language: names, and the picture of letters on a button.
const NAMES = new Set(["Reaktor", "Grafana", "Aa"]);

const nameOf = (node) => node?.name ?? node?.value ?? (node?.property ? nameOf(node.property) : undefined);
const textOf = (node) => (node.type === "TemplateLiteral" ? node.quasis.map(({ value }) => value.cooked).join("{}") : node.value);
const isText = (node) => node?.type === "TemplateLiteral" || (node?.type === "Literal" && typeof node.value === "string");
const hasLetters = (text) => /\p{L}/u.test(text) && !NAMES.has(text);
const isStyle = (text) => /^\.|^@media/.test(text) || text.split(" ").every((word) => /^is-/.test(word));
/** Two words, or one that begins a sentence. */
const isSaid = (text) =>
  hasLetters(text) &&
  !isStyle(text) &&
  (/\p{L}{2,}[,;:.]?\s+[\p{L}{]|[\p{L}}]\s+\p{L}{2,}/u.test(text) || /^\p{Lu}\p{Ll}/u.test(text) || text.includes("…"));

/** What an expression may be: both sides of a choice. */
function* results(node) {
  if (node?.type === "ConditionalExpression") yield* [...results(node.consequent), ...results(node.alternate)];
  else if (node?.type === "LogicalExpression") yield* [...results(node.left), ...results(node.right)];
  else if (node) yield node;
}

function isSilent(ancestors) {
  const chain = ancestors.slice(0, -1).reverse();
  const node = ancestors.at(-1);
  let below = node;
  for (const above of chain) {
    if (/^(Import|Export)\w*Declaration|^ImportExpression$|^ThrowStatement$/.test(above.type) && above.source === below) return true;
    if (above.type === "Property" && above.key === below && !above.computed) return true;
    if (above.type === "Property" && SILENT_KEYS.has(nameOf(above.key))) return true;
    if (above.type === "MemberExpression" && above.property === below && above.computed) return true;
    if (above.type === "BinaryExpression" && above.operator !== "+") return true;
    if (above.type === "AssignmentExpression" && above.right === below && SILENT_KEYS.has(nameOf(above.left))) return true;
    if (/^(Call|New)Expression$/.test(above.type) && above.callee !== below && SILENT_CALLS.has(nameOf(above.callee))) return true;
    if (above.type === "TaggedTemplateExpression" || above.type === "SwitchCase") return above.test === below;
    if (/Function|Statement$/.test(above.type)) return false;
    below = above;
  }
  return false;
}

/** The expressions of a node that are read by people, whatever they look like. */
function* read(node) {
  if (node.type === "AssignmentExpression" && READ_PROPERTIES.has(nameOf(node.left))) yield node.right;
  if (node.type === "Property" && READ_ATTRIBUTES.has(nameOf(node.key))) yield node.value;
  if (node.type !== "CallExpression") return;
  const callee = nameOf(node.callee);
  if (callee === "h") yield* node.arguments.slice(2);
  else if (callee === "setText") yield node.arguments[1];
  else if (callee === "setAttribute" && READ_ATTRIBUTES.has(nameOf(node.arguments[0]))) yield node.arguments[1];
  else if (READ_CALLS.has(callee)) yield node.arguments[0];
}

/** The keys that an argument of t() names; those that begin so end with a star. Null: nobody can tell. */
function keysOf(argument) {
  const found = [];
  for (const node of results(argument)) {
    if (node.type === "Literal") found.push(node.value);
    else if (node.type === "TemplateLiteral" && node.quasis[0].value.cooked !== "") found.push(`${node.quasis[0].value.cooked}*`);
    else return null;
  }
  return found;
}

function paramsOf(argument) {
  if (!argument) return [];
  if (argument.type !== "ObjectExpression" || argument.properties.some(({ type }) => type !== "Property")) return null;
  return argument.properties.map(({ key }) => nameOf(key));
}

const isLater = ({ type, static: isStatic }) => /Function/.test(type) || (type === "PropertyDefinition" && !isStatic);

function reading(name) {
  const text = readFileSync(resolve(folder, name), "utf8");
  const tree = parse(text, { ecmaVersion: "latest", sourceType: "module", locations: true });
  const found = { shown: [], says: [], unreadable: [], early: [], imports: [], loads: [] };
  const shown = new Map();
  const show = (node) => shown.set(node, { line: node.loc.start.line, text: textOf(node) });
  const importOf = (source, part) =>
    found.imports.push({ name: posix.join(posix.dirname(name), source.value), part, isLater: part !== undefined });
  const onText = (node, state, ancestors) => {
    if (isText(node) && isSaid(textOf(node)) && !isSilent(ancestors)) show(node);
  };
  const onNode = (node) => {
    for (const each of read(node))
      for (const result of results(each)) if (isText(result) && hasLetters(textOf(result))) show(result);
  };
  ancestor(tree, {
    Literal: onText,
    TemplateLiteral: onText,
    AssignmentExpression: onNode,
    Property: onNode,
    ImportDeclaration: ({ source }) => importOf(source),
    ExportNamedDeclaration: ({ source }) => source && importOf(source),
    ImportExpression({ source }, state, ancestors) {
      const caller = ancestors.at(-2);
      const isWith = caller?.type === "CallExpression" && nameOf(caller.callee) === "withWords";
      importOf(source, isWith ? caller.arguments[0].value : "");
    },
    CallExpression(node, state, ancestors) {
      onNode(node);
      const callee = node.callee.type === "Identifier" ? node.callee.name : "";
      if (callee === "load") found.loads.push(node.arguments[0]?.value ?? "");
      if (callee !== "t" && callee !== "says") return;
      const { line } = node.loc.start;
      const keys = keysOf(node.arguments[0]);
      if (keys === null) found.unreadable.push(line);
      else found.says.push({ line, keys, params: callee === "t" ? paramsOf(node.arguments[1]) : null });
      if (!ancestors.some(isLater)) found.early.push(line);
    },
  });
  found.shown = [...shown.values()];
  return found;
}

process.stdout.write(JSON.stringify(Object.fromEntries(names.map((name) => [name, reading(name)]))));
