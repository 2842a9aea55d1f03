// A Socket.IO server that does the least: everybody is in one room, a post goes to the others. node socketio_server.cjs LIBRARY PORT
"use strict";
const http = require("node:http");
const server = http.createServer();
const library = process.argv[2];
const io = library === "sio17" ? require("sio17")(server) : new (require("sio48").Server)(server);
io.on("connection", (socket) => {
  socket.join("general");
  socket.on("message:post", (data, acknowledge) => {
    socket.broadcast.to("general").emit("message:post", data);
    if (typeof acknowledge === "function") acknowledge({});
  });
  socket.emit("logged_in", {});
});
server.listen(Number(process.argv[3]), "127.0.0.1");
