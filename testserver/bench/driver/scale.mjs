// Measures how the bridge's cost grows with the number of streams and of providers.

import { startBridge, startLoad } from "./bridge.mjs";
import { progress, short } from "./report.mjs";
import { median } from "./rounds.mjs";

/** Messages per second of each stream. */
const rate = 10;

const steps = [
  { streams: 1, providers: 1 },
  { streams: 10, providers: 1 },
  { streams: 100, providers: 1 },
  { streams: 1000, providers: 1 },
  { streams: 1000, providers: 10 },
  { streams: 1000, providers: 100 },
  { streams: 1000, providers: 10, door: "https" },
  { streams: 1000, providers: 10, door: "websocket" },
  { streams: 10_000, providers: 100, rate: 1 },
  { streams: 10_000, providers: 100, rate: 1, door: "https" },
  { streams: 10_000, providers: 100, rate: 1, door: "websocket" },
];

const doors = { "": "HTTP/1.1", https: "HTTP/2 with TLS", websocket: "WebSocket" };

/** How long a step may take, in milliseconds on a busy machine. */
const limit = 600_000;

/** Returns a table. */
export async function measureScale({ news, seconds }) {
  const load = await startLoad();
  const results = steps.map(() => []);
  for (let round = 1; round <= news; round++) {
    for (const [i, { door = "", ...step }] of steps.entries()) {
      progress(`scale: ${step.streams} streams, round ${round}`);
      // One caller may have as many as the bridge.
      const { program, target } = await startBridge(load, door, "--max-streams=20000");
      results[i].push(
        await load.ask(
          { do: "scale", rate, ...step, warm: 1, seconds: 3 * seconds, target },
          limit,
        ),
      );
      await program.stop();
    }
  }
  progress();
  await load.stop();
  const of = (i, figure) => median(results[i].map((result) => result[figure]));
  return [
    [
      "streams",
      "providers",
      "over",
      "messages/s of a stream",
      "CPU µs/message",
      "KB/stream",
      "MB in all",
    ],
    ...steps.map(({ streams, providers, door = "", rate: own = rate }, i) => [
      String(streams),
      String(providers),
      doors[door],
      String(own),
      short(of(i, "cpuPerMessage")),
      short(of(i, "bytesPerStream") / 1024),
      short(of(i, "bytes") / 2 ** 20),
    ]),
  ];
}
