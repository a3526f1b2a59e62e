// Ports for programs that are restarted at the same address. They are below the range
// that the system uses for outgoing connections, which could otherwise take a port
// meanwhile.

import { once } from "node:events";
import { createServer } from "node:net";

const [lowest, highest] = [15_000, 31_000];

let next = lowest + Math.floor(Math.random() * (highest - lowest));

/** Returns the first of n consecutive free ports. */
export async function freePorts(n = 1) {
  for (;;) {
    if (next + n > highest) next = lowest;
    const first = next;
    next += n;
    const free = await Promise.all(Array.from({ length: n }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
}

async function isFree(port) {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
