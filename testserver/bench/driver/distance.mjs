// Servers that are far away: a proxy delays what they answer.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * Listens on a port, 0 for any, and passes connections on to a server as if a round trip
 * took the given time in milliseconds: a connection takes one, and each answer.
 */
export async function farAway(host, port, ms, listen = 0) {
  const open = new Set();
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (near) => {
    const far = connect({ host, port, noDelay: true });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    setTimeout(() => near.pipe(far), ms);
    far.on("data", (chunk) => setTimeout(() => near.writable && near.write(chunk), ms));
    far.on("end", () => setTimeout(() => near.end(), ms));
  });
  server.listen(listen, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
