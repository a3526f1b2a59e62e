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
];

/** Returns a table. */
export async function measureScale({ news, seconds }) {
  const load = await startLoad();
  const results = steps.map(() => []);
  for (let round = 1; round <= news; round++) {
    for (const [i, step] of steps.entries()) {
      progress(`scale: ${step.streams} streams, round ${round}`);
      const { program, target } = await startBridge(load);
      results[i].push(
        await load.ask({ do: "scale", ...step, rate, warm: 1, seconds: 3 * seconds, target }),
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
      "CPU µs/message",
      `CPU ms/s a stream of ${rate} messages/s`,
      "KB/stream",
      "MB in all",
    ],
    ...steps.map(({ streams, providers }, i) => [
      String(streams),
      String(providers),
      short(of(i, "cpuPerMessage")),
      short((of(i, "cpuPerMessage") * rate) / 1000),
      short(of(i, "bytesPerStream") / 1024),
      short(of(i, "bytes") / 2 ** 20),
    ]),
  ];
}
