// What the gateway's live updates are compared with: the Socket.IO server as it comes, which tells everybody in a room.
// One argument: the port. Each line on stdin is what all are told next.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
io.on("connection", (socket) => {
  socket.on("subscribe:slots", (_, acknowledge) => {
    socket.join("slots");
    acknowledge({ error: false, seq: 0 });
  });
});
http.listen(Number(process.argv[2]), "127.0.0.1", () => process.stdout.write("listening\n"));

let seq = 0;
createInterface({ input: process.stdin }).on("line", (line) => {
  io.to("slots").emit("slot.update", { event: "slot.update", data: JSON.parse(line), seq: ++seq });
});
