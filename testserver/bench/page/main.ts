// The functions that the driver calls in the page, for all clients.

import * as akash from "./akash.ts";
import { watch } from "./block.ts";
import * as connect from "./connect.ts";
import * as floor from "./fetch.ts";
import * as grpcWeb from "./grpc-web.ts";
import type { Source } from "./source.ts";

const logs = {
  batches: (source: Source) => akash.batches(source),
  entries: akash.entries,
  webSocket: (source: Source) => akash.batches(source, { transport: "websocket" }),
  worker: (source: Source) => akash.batches(source, { worker: true }),
  webSocketWorker: (source: Source) =>
    akash.batches(source, { worker: true, transport: "websocket" }),
  "connect-web": connect.logs,
  "grpc-web": grpcWeb.logs,
  fetch: floor.logs,
};

const status = {
  akash: (source: Source) => akash.status(source),
  worker: (source: Source) => akash.status(source, { worker: true }),
  "connect-web": connect.status,
  fetch: floor.status,
};

const leave = { akash: akash.leave, "connect-web": connect.leave };

const bench = {
  /** Reads the whole log with a client. Returns the counts and the time it took. */
  async logs(client: keyof typeof logs, source: Source) {
    const start = performance.now();
    const tally = await logs[client](source);
    return { ...tally, ms: performance.now() - start };
  },

  /** The same while measuring how long the page is blocked. Returns the longest time. */
  async longestGap(client: keyof typeof logs, source: Source) {
    const end = watch();
    try {
      await logs[client](source);
    } catch (error) {
      end();
      throw error;
    }
    return end();
  },

  /** Makes status calls one after the other. */
  async status(client: keyof typeof status, source: Source, times: number) {
    for (let i = 0; i < times; i++) await status[client](source);
  },

  leave: (client: keyof typeof leave, source: Source, name: string) => leave[client](source, name),

  /** Keeps the main thread busy, so that the driver can find it. */
  spin(ms: number) {
    for (const end = performance.now() + ms; performance.now() < end; );
  },
};

Object.assign(globalThis, { bench });
