/**
 * The protocol client: everything between a page, or a program, and the server. No DOM, no words for people.
 *
 * `Chat` is what most want: it keeps the session, knows the channels, and sends what is written until the server has
 * it. `Credentials` keeps the login. The other names are their parts, for whoever puts them together anew.
 * docs/client.md shows how; example.html is a page of its own that uses nothing else.
 */

export { Api } from "./api.js";
export { ChannelState, isAside } from "./channel.js";
export { Chat } from "./chat.js";
export { Credentials } from "./credentials.js";
export { needsLogin, RequestError } from "./errors.js";
export { Memory } from "./memory.js";
export { Outbox, randomNonce } from "./outbox.js";
export { People } from "./people.js";
export { Places } from "./places.js";
export { planReturn } from "./reconnect.js";
export { Session } from "./session.js";
export { Signs } from "./signs.js";
export { Store } from "./store.js";
