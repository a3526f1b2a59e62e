// Measures this repository's client and bridge beside their peers in one run, and
// prints a table. bin/bench.json has the same data.
//
// `make bench` installs what this needs and runs it:
//
//   node testserver/bench/run.mjs [--quick] [--scale] [PART…]
//
//   --quick   few rounds, with wider spreads
//   --scale   also how cost grows with streams and providers
//   PART…     only bridge, client, cold or rest; leaves bin/bench.json alone
//
// Contenders run in turn, round after round. A value is the median of its rounds, ±
// half the interquartile range. A ratio is that of the medians, with its range over
// the rounds, and above 1 if ours is better. The floor is the limit for every peer of
// its kind: a loop that reads bytes in the page, or native gRPC without a bridge. CPU
// time is the kernel's count for the thread or process. Other load on the machine
// affects it much less than wall clock time.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureBridge } from "./driver/bridge.mjs";
import { measureClient } from "./driver/client.mjs";
import { measureCold } from "./driver/cold.mjs";
import { load, machine, peers } from "./driver/machine.mjs";
import { columns, print, write } from "./driver/report.mjs";
import { measureREST } from "./driver/rest.mjs";
import { measureScale } from "./driver/scale.mjs";
import { build, root } from "./driver/tools.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    scale: { type: "boolean", default: false },
  },
});

/**
 * @typedef {object} Effort
 * @property {number} rounds rounds of contenders that keep running
 * @property {number} news rounds of contenders that are restarted each time
 * @property {number} seconds length of a measurement, after a warm-up
 * @property {number} lines lines of a log
 * @property {number} times repetitions of a latency measurement
 * @property {number} calls sequential calls
 * @property {number} leaves streams that a page leaves
 * @property {number} visits page loads
 */
const quick = { rounds: 3, news: 1, warm: 0.3, seconds: 0.7, lines: 200_000 };
const whole = { rounds: 7, news: 3, warm: 0.5, seconds: 2, lines: 400_000 };
const effort = {
  visits: 15,
  leaves: 50,
  calls: 500,
  ...(values.quick ? { ...quick, times: 50 } : { ...whole, times: 200 }),
};

const parts = {
  client: measureClient,
  cold: measureCold,
  bridge: measureBridge,
  rest: measureREST,
};
const chosen = positionals.length > 0 ? positionals : Object.keys(parts);
for (const name of chosen) {
  if (!parts[name]) throw new Error(`${name} is not one of ${Object.keys(parts).join(", ")}`);
}

build();
console.log(`${machine()}\npeers: ${peers()}\n${load()} before`);
const rows = [];
for (const name of chosen) rows.push(...(await parts[name](effort)));
console.log(`${load()} after\n`);
print(rows);
if (chosen.length === Object.keys(parts).length) write(join(root, "bin/bench.json"), rows);
if (values.scale) {
  console.log();
  columns(await measureScale(effort));
}
