// The live cluster page: asks for the figures every two seconds, and draws them. Rates are differences of totals.

import { labelCells } from "./tables.js";

const EVERY_MS = 2_000;
const SHOWN_S = 300;
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [1000, 200, 56, 22, 10];
const SVG = "http://www.w3.org/2000/svg";

const page = document.querySelector(".cluster");
const problem = page.querySelector(".errornote");
const picture = page.querySelector(".rates");
const rows = page.querySelector(".workers tbody");
const hosts = page.querySelector(".hosts");
const authority = page.querySelector(".authority");

/** Of each worker (slot.incarnation) the totals of the last answer. */
let before = { at: 0, totals: new Map() };
/** {at, in}: messages stored per second, of all workers together. */
const history = [];

const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });
const count = (value) => Math.round(value).toLocaleString("en");
const age = (s) => (s < 120 ? `${Math.round(s)} s` : s < 7_200 ? `${Math.round(s / 60)} min` : s < 172_800 ? `${Math.round(s / 3_600)} h` : `${Math.round(s / 86_400)} d`);
/** 812 MB, 1.4 GB, as shops sell disks: powers of 1,000. */
const size = (bytes) => {
  if (bytes === null || bytes === undefined) return "–";
  if (bytes < 1e9) return `${Math.max(Math.round(bytes / 1e6), 1)} MB`;
  return `${(bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0)} GB`;
};
const MIN_FREE_BYTES = 1e9;
const MIN_FREE_PART = 0.05;

/** What a worker or the list is doing, in a word for people; others as they are called. */
const STATES = {
  ready: "serving", draining: "ending: tells its people to come back", gone: "ended",
};
const BEHIND = 50;

/** What is known of the list of who is where: [name, what it is called here]. */
const LIST = [
  ["phase", "State"], ["users", "People online"], ["sessions", "Connections"], ["channels", "Channels with people in them"],
  ["members", "Places taken in them"], ["blocks", "Bans and kicks in force"], ["commands_per_s", "Changes per second"],
  ["epoch", "Number of this run (epoch)"], ["revision", "Changes so far (revision)"],
];
/** The same of what comes in; what is not there is left out. */
const CONNECTIONS = [
  ["waiting", "Connections that wait for a worker"], ["accepted", "Connections taken"], ["refused", "Connections refused"],
];

/** Per second since the last answer; null where there was none of this worker (or it is another incarnation). */
function rates(found) {
  const elapsed = found.at - before.at;
  const totals = new Map();
  const perWorker = found.workers.map((worker) => {
    const name = `${worker.slot}.${worker.incarnation}`;
    const last = before.totals.get(name);
    totals.set(name, worker);
    const since = (field) => (last && elapsed > 0 ? Math.max(worker[field] - last[field], 0) / elapsed : null);
    return { in: since("messages_in"), out: since("messages_out") };
  });
  before = { at: found.at, totals };
  return perWorker;
}

const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);

function show(found) {
  const perWorker = rates(found);
  const isFirst = perWorker.every((each) => each.in === null);
  const [stored, delivered] = [sum(perWorker.map((each) => each.in)), sum(perWorker.map((each) => each.out))];
  const totals = {
    state: found.state,
    version: found.version,
    database: size(found.storage.database_bytes),
    disk: `${size(found.storage.disk_free_bytes)} of ${size(found.storage.disk_bytes)}`,
    sessions: count(found.authority.sessions ?? 0),
    users: count(found.authority.users ?? 0),
    in: isFirst ? "…" : count(stored),
    out: isFirst ? "…" : count(delivered),
  };
  for (const [name, text] of Object.entries(totals)) page.querySelector(`[data-total=${name}]`).textContent = text;
  const { disk_free_bytes: free, disk_bytes: whole } = found.storage;
  const isShort = free < MIN_FREE_BYTES || free < whole * MIN_FREE_PART;
  page.querySelector("[data-total=disk]").classList.toggle("bad", isShort);
  rows.replaceChildren(
    ...found.workers.map((worker, index) => {
      const row = document.createElement("tr");
      const rate = (value) => (value === null ? "…" : count(value));
      const cells = [
        worker.slot, stateOf(worker), count(worker.sessions), rate(perWorker[index].in), rate(perWorker[index].out),
        count(worker.slow_closed), size(worker.rss_bytes), age(worker.age_s), worker.incarnation, worker.pid,
      ];
      row.append(...cells.map((text) => element("td", text)));
      return row;
    }),
    ...Object.entries(found.given_up).map(([slot, why]) => {
      const row = document.createElement("tr");
      const cell = element("td", `given up: it ${why}. Look into the log, then restart the server.`);
      cell.className = "bad";
      cell.colSpan = 9;
      row.append(element("td", slot), cell);
      return row;
    }),
  );
  hosts.hidden = found.hosts.length < 2;
  hosts.querySelector("tbody").replaceChildren(
    ...found.hosts.map((host) => {
      const row = document.createElement("tr");
      const words = [host.is_alive ? "alive" : `not heard of since ${host.last_seen}`, host.decides && "keeps the list", host.is_own && "this one"];
      row.append(...[host.name, words.filter(Boolean).join(", "), host.version, host.life].map((text) => element("td", text)));
      return row;
    }),
  );
  authority.replaceChildren(
    ...[...known(LIST, found.authority), ...known(CONNECTIONS, found.connections)].map(([name, value]) => {
      const pair = document.createElement("div");
      pair.append(element("dt", name), element("dd", value));
      return pair;
    }),
  );
  labelCells(rows.parentElement);
  labelCells(hosts.querySelector("table"));
  if (!isFirst) history.push({ at: found.at, in: stored });
  while (history.length && history[0].at < found.at - SHOWN_S) history.shift();
  draw(found.at);
}

/** [what it is called here, its value], of what is there. */
const known = (names, values) =>
  names
    .filter(([name]) => name in values)
    // An epoch is a name, not a number of something.
    .map(([name, title]) => [title, typeof values[name] === "number" && name !== "epoch" ? count(values[name]) : values[name]]);

function stateOf(worker) {
  const state = STATES[worker.state] ?? worker.state;
  const isBehind = worker.state === "ready" && worker.revision_lag > BEHIND;
  return isBehind ? `${state}, ${count(worker.revision_lag)} changes of the list behind` : state;
}

function shape(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** The next 1, 2 or 5 times a power of ten. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function draw(now) {
  const top = Math.max(ceiling(Math.max(...history.map((each) => each.in), 0)), 10);
  const x = (at) => LEFT + ((at - now + SHOWN_S) / SHOWN_S) * (WIDTH - LEFT);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const points = history.map((each) => `${x(each.at).toFixed(1)},${y(each.in).toFixed(1)}`);
  const drawn = [0, top / 2, top].flatMap((value) => [
    shape("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value), class: "grid" }),
    shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toLocaleString("en")),
  ]);
  for (const minutes of [4, 3, 2, 1]) {
    drawn.push(shape("text", { x: x(now - minutes * 60), y: HEIGHT - 5, "text-anchor": "middle" }, `−${minutes} min`));
  }
  if (points.length > 1) {
    const [first, last] = [x(history[0].at).toFixed(1), x(history.at(-1).at).toFixed(1)];
    drawn.push(shape("polygon", { points: `${first},${y(0)} ${points.join(" ")} ${last},${y(0)}`, class: "area" }));
    drawn.push(shape("polyline", { points: points.join(" "), class: "line" }));
  }
  picture.replaceChildren(...drawn);
}

function complain(sentence) {
  problem.textContent = sentence;
  problem.hidden = !sentence;
}

async function refresh() {
  try {
    const answer = await fetch(page.dataset.url, { redirect: "manual", signal: AbortSignal.timeout(10_000) });
    if (answer.type === "opaqueredirect") {
      complain("You are logged out. Load the page anew.");
      return;
    }
    const found = await answer.json();
    complain(answer.ok ? "" : found.error ?? "You may not see this.");
    if (answer.ok) show(found);
  } catch {
    complain("The server does not answer.");
  }
  setTimeout(refresh, EVERY_MS);
}

refresh();
