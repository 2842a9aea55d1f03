// A chat server that does the least, in the way of the original: Socket.IO of one generation, Express, tokens of
// jsonwebtoken. Everybody enters the channel of the query, or none; a post goes to the others; REST answers from memory.
// node socketio_server.cjs LIBRARY PORT SECRET
"use strict";
const http = require("node:http");
const express = require("express");
const jwt = require("jsonwebtoken");
const [, , library, port, secret] = process.argv;
const app = express();
const server = http.createServer(app);
const io = library === "sio17" ? require("sio17")(server) : new (require("sio48").Server)(server);

const channels = [["General", "general"], ["Programming", "programming"], ["Random", "random"]];
const history = Array.from({ length: 60 }, () =>
  JSON.stringify({ message: "x".repeat(100), user: "bench", date: new Date().toISOString() }));
const members = new Map(); // channel → (name → how many of the user's sockets are in it)
const sockets = new Map(); // name → the user's sockets

function enter(socket, name, channel) {
  socket.join(channel);
  if (!members.has(channel)) members.set(channel, new Map());
  const known = members.get(channel);
  known.set(name, (known.get(name) ?? 0) + 1);
  socket.on("disconnect", () => {
    if (known.get(name) > 1) known.set(name, known.get(name) - 1);
    else known.delete(name);
  });
}

io.use((socket, next) => {
  try {
    socket.username = jwt.verify(socket.handshake.query.token, secret).name;
    next();
  } catch (error) {
    next(error);
  }
});
io.on("connection", (socket) => {
  const name = socket.username;
  if (!sockets.has(name)) sockets.set(name, new Set());
  sockets.get(name).add(socket);
  socket.on("disconnect", () => sockets.get(name).delete(socket));
  if (socket.handshake.query.channel) enter(socket, name, socket.handshake.query.channel);
  socket.on("message:post", (data, acknowledge) => {
    socket.broadcast.to(data.channel).emit("message:post", data);
    if (typeof acknowledge === "function") acknowledge({});
  });
  socket.emit("logged_in", {});
});

app.use((request, response, next) => {
  try {
    request.username = jwt.verify(request.headers.authorization.split(" ")[1], secret).name;
    next();
  } catch {
    response.status(400).json({ error: "Token is not valid" });
  }
});
app.get("/channels", (request, response) => {
  response.json({ channels: channels.map(([name, key]) => ({ name, key, onlineCount: members.get(key)?.size ?? 0 })) });
});
app.get("/channels/:key/messages", (request, response) => {
  const { start, end } = request.query;
  response.json({ messages: history.slice(Math.max(history.length - end, 0), history.length - start) });
});
app.post("/channels/:key/join", (request, response) => {
  const { key } = request.params;
  if (!members.get(key)?.has(request.username)) {
    for (const socket of sockets.get(request.username) ?? []) enter(socket, request.username, key);
    io.to(key).emit("user : joined", { username: request.username, channel: key });
  }
  const online = [...(members.get(key)?.keys() ?? [])].map((username) => ({ username, status: "online" }));
  response.json({ key, messages: history.slice(-25), onlineUsers: online });
});
server.listen(Number(port), "127.0.0.1");
