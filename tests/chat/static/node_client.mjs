/** Two clients in Node against a real server: `node … node_client.mjs <url> <name> <password> <name> <password>`. */

import assert from "node:assert/strict";

import { Api, Chat, Credentials, Memory } from "../../../chat/static/chat/client/index.js";

const [url, ...accounts] = process.argv.slice(2);

async function come(username, password) {
  const credentials = new Credentials({ api: new Api({ base: `${url}/api/v1` }), memory: new Memory(null) });
  const parts = { url: `${url.replace("http", "ws")}/ws/v1`, credentials };
  const chat = new Chat({ ...parts, shared: new Memory(null), own: new Memory(null) });
  const isLive = new Promise((resolve) => chat.onState(({ name }) => name === "live" && resolve()));
  chat.start((await credentials.logIn(username, password)).user);
  await isLive;
  return chat;
}

/** Resolves when the condition holds, which is looked at after each change. */
function until(chat, condition) {
  return new Promise((resolve) => {
    const look = () => condition() && resolve(unsubscribe());
    const unsubscribe = chat.store.subscribe(look);
    look();
  });
}

const [ada, bob] = await Promise.all([come(...accounts.slice(0, 2)), come(...accounts.slice(2))]);
const key = await ada.create({ name: "From Node", kind: "unlisted" });
await Promise.all([ada.enter(key), bob.enter(key)]);
ada.send(key, "one");
const seen = (chat) => chat.store.channel(key).messages.map(({ text }) => text);
await until(bob, () => seen(bob).length === 1);
bob.send(key, "two");
for (const chat of [ada, bob]) await until(chat, () => seen(chat).length === 2);
assert.deepEqual(seen(ada), seen(bob));
await ada.edit(key, ada.store.channel(key).messages[0].id, "uno");
await until(bob, () => seen(bob)[0] === "uno");
for (const chat of [ada, bob]) chat.stop();
process.stdout.write("done\n");
