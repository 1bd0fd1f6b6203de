// The real Socket.IO client as a line-driven tool for the tests: commands come on stdin, one JSON object a line,
// and everything that happens goes out on stdout the same way.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const [url, token, transports] = process.argv.slice(2);
const socket = io(url, {
  auth: (give) => give(token === "none" ? {} : { token }),
  transports: (transports || "websocket").split(","),
  reconnection: true,
  reconnectionDelay: 100,
});

socket.on("connect", () => say({ connected: true }));
socket.on("connect_error", (error) => say({ refused: error.data ?? String(error.message) }));
socket.on("disconnect", (reason) => say({ disconnected: reason }));
socket.onAny((name, payload) => say({ name, payload }));

createInterface({ input: process.stdin }).on("line", async (line) => {
  const command = JSON.parse(line);
  if (command.emit) {
    const given = command.argument === undefined ? [] : [command.argument];
    try {
      say({ ack: await socket.timeout(5000).emitWithAck(command.emit, ...given) });
    } catch (error) {
      say({ ack: null, error: String(error) });
    }
  } else if (command.binary) {
    socket.emit("subscribe:calls", Buffer.from("attachment"));
  } else if (command.drop) {
    socket.io.engine.close(); // the connection breaks; the client comes back by itself
  } else if (command.close) {
    socket.close();
    process.exit(0);
  }
});
