/** A client in one short page, to read beside docs/client.md: log in, enter a channel, read and write there. */

import { Api, Chat, Credentials, Memory } from "./index.js";

const page = (selector) => document.querySelector(selector);
const credentials = new Credentials({ api: new Api(), memory: new Memory(null) });
const chat = new Chat({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/v1`,
  credentials,
  shared: new Memory(null),
  own: new Memory(null),
});

chat.onState(({ name }) => {
  page("#state").textContent = name;
  if (name === "live") open().catch(complain);
});
chat.store.subscribe(draw);

page("#login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { username, password } = Object.fromEntries(new FormData(event.target));
  try {
    const { user } = await credentials.logIn(username, password);
    page("#login").hidden = true;
    chat.start(user);
  } catch (error) {
    complain(error);
  }
});

page("#channels").addEventListener("change", ({ target }) => chat.enter(target.value).catch(complain));

page("#compose").addEventListener("submit", (event) => {
  event.preventDefault();
  // Kept and sent again until the server has it, also over a lost connection.
  chat.send(page("#channels").value, event.target.elements.text.value);
  event.target.reset();
});

async function open() {
  const { keys } = await chat.list({});
  const options = keys.map((key) => new Option(chat.store.channel(key).info.name, key));
  page("#channels").replaceChildren(...options);
  page("main").hidden = false;
  await chat.enter(page("#channels").value);
}

function draw() {
  const channel = chat.store.channel(page("#channels").value);
  const textOf = ({ text, hidden }) => text ?? (hidden ? "(hidden)" : "(deleted)");
  const said = (channel?.messages ?? []).map((message) => `${message.author}: ${textOf(message)}`);
  const waiting = chat.outbox.entries(channel?.key).map(({ text }) => `(not sent yet) ${text}`);
  const rows = [...said, ...waiting].map((text) => Object.assign(document.createElement("li"), { textContent: text }));
  page("#messages").replaceChildren(...rows);
}

function complain(error) {
  page("#state").textContent = error.message;
}
