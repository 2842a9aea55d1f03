// Drives real Socket.IO clients of any generation: commands as JSON lines on stdin, what happens as JSON lines on stdout.
//
// {"do":"open","client":"a","library":"sio17","url":"http://…","options":{…}}   a new client (its own connection)
// {"do":"join","client":"b","from":"a","namespace":"/custom","options":{…}}     another namespace on a's connection
// {"do":"emit","client":"a","name":"echo","args":[…],"ref":1}                   with "ref", the ack comes back as {"type":"ack","ref":1}
// {"do":"answer","client":"a","args":[…]}                                       how events that want an ack are answered from now on
// {"do":"close","client":"a"}  {"do":"reopen",…}  {"do":"cut","client":"a"}     disconnect; connect again; lose the transport
// {"do":"shut","client":"a"}                                                    close the transport alone: the client reconnects
// {"do":"timeout","client":"a"}                                                 what the library does when no ping came in time
// {"do":"query","client":"a","query":…}                                         what the next connections bring in the query
// {"do":"state","client":"a"}                                                   reports id, transport, connected, recovered
//
// The option "tokens" becomes an `auth` function that gives one after the other, and the last one for ever.
//
// Binary data is {"$base64":"…"} in both directions. Every line out has "client" and "type": connect, disconnect, event, ack,
// error, upgrade, reconnecting, state.
"use strict";
const readline = require("node:readline");

const clients = new Map();

function say(client, type, fields) {
  process.stdout.write(JSON.stringify({ client, type, ...fields }) + "\n");
}

function fromJson(value) {
  if (Array.isArray(value)) return value.map(fromJson);
  if (value && typeof value === "object") {
    if (typeof value.$base64 === "string") return Buffer.from(value.$base64, "base64");
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
  }
  return value;
}

function toJson(value) {
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return { $base64: Buffer.from(value).toString("base64") };
  if (value instanceof ArrayBuffer) return { $base64: Buffer.from(new Uint8Array(value)).toString("base64") };
  if (Array.isArray(value)) return value.map(toJson);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
  }
  return value === undefined ? null : value;
}

function describe(error) {
  if (typeof error === "string") return { message: error };
  if (!error) return { message: String(error) };
  return { message: error.message || JSON.stringify(toJson(error)), data: toJson(error.data ?? null), description: statusOf(error) };
}

// What an HTTP error was: 1.x to 3.x give the status as `description`, 4.x gives an object or a number.
function statusOf(error) {
  const description = error.description;
  if (typeof description === "number") return description;
  return description && typeof description.status === "number" ? description.status : null;
}

function transportOf(socket) {
  const engine = socket.io.engine;
  return engine && engine.transport ? engine.transport.name : null;
}

function watch(name, socket) {
  const state = { socket, answer: [], early: [] };
  clients.set(name, state);
  const report = (args) => {
    const list = args.slice();
    const acknowledge = typeof list[list.length - 1] === "function" ? list.pop() : null;
    say(name, "event", { name: list[0], args: toJson(list.slice(1)), wants_ack: acknowledge !== null });
    if (acknowledge) acknowledge(...state.answer);
  };
  socket.on("connect", () => {
    const ids = { id: socket.id ?? null, recovered: socket.recovered ?? null, transport: transportOf(socket) };
    say(name, "connect", ids);
    const engine = socket.io.engine;
    if (engine && !engine.isWatched) {
      engine.isWatched = true;
      engine.on("upgrade", (transport) => say(name, "upgrade", { transport: transport.name }));
    }
    state.early.splice(0).forEach(report);
  });
  socket.on("disconnect", (reason) => say(name, "disconnect", { reason }));
  socket.on("connect_error", (error) => say(name, "error", describe(error)));
  // Up to 2.x a refused namespace arrives here.
  socket.on("error", (error) => say(name, "error", describe(error)));
  const reconnecting = (attempt) => say(name, "reconnecting", { attempt });
  if (typeof socket.onAny === "function") {
    socket.io.on("reconnect_attempt", reconnecting);
    socket.onAny((...args) => report(args));
  } else {
    socket.on("reconnecting", reconnecting);
    const onevent = socket.onevent;
    socket.onevent = function (packet) {
      const args = packet.data.slice();
      if (packet.id != null) args.push(this.ack(packet.id));
      if (this.connected) report(args);
      else state.early.push(args);
      // The ack is given above; a second function would answer twice.
      return onevent.call(this, { ...packet, id: null });
    };
  }
}

const commands = {
  open({ client, library, url, options }) {
    const io = require(library);
    const connect = typeof io === "function" ? io : io.io;
    const { tokens, ...given } = fromJson(options || {});
    if (tokens) given.auth = (tell) => tell({ token: tokens.length > 1 ? tokens.shift() : tokens[0] });
    watch(client, connect(url, { forceNew: true, ...given }));
  },
  query({ client, query }) {
    clients.get(client).socket.io.opts.query = query;
  },
  join({ client, from, namespace, options }) {
    watch(client, clients.get(from).socket.io.socket(namespace, fromJson(options || {})));
  },
  emit({ client, name, args, ref }) {
    const { socket } = clients.get(client);
    const list = fromJson(args || []);
    if (ref !== undefined) list.push((...values) => say(client, "ack", { ref, args: toJson(values) }));
    socket.emit(name, ...list);
  },
  answer({ client, args }) {
    clients.get(client).answer = fromJson(args || []);
  },
  close({ client }) {
    clients.get(client).socket.disconnect();
  },
  reopen({ client }) {
    clients.get(client).socket.connect();
  },
  shut({ client }) {
    clients.get(client).socket.io.engine.close();
  },
  timeout({ client }) {
    const { engine } = clients.get(client).socket.io;
    (engine._onClose || engine.onClose).call(engine, "ping timeout");
  },
  cut({ client }) {
    const transport = clients.get(client).socket.io.engine.transport;
    if (transport.ws && transport.ws.terminate) transport.ws.terminate();
    else clients.get(client).socket.io.engine.close();
  },
  state({ client }) {
    const { socket } = clients.get(client);
    say(client, "state", {
      id: socket.id ?? null, connected: socket.connected, recovered: socket.recovered ?? null, transport: transportOf(socket),
    });
  },
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  try {
    commands[command.do](command);
  } catch (error) {
    say(command.client ?? null, "failed", { message: String(error && error.stack || error) });
  }
}).on("close", () => process.exit(0));

say(null, "ready", {});
