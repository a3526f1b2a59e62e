// Measures this repository's client and bridge beside their peers, in one run, and
// prints one table; bin/bench.json holds the same.
//
// `make bench` installs what this needs and runs it:
//
//   node testserver/bench/run.mjs [--quick] [--scale] [PART…]
//
//   --quick   few rounds, with wider spreads
//   --scale   also how cost grows with streams and providers
//   PART…     only bridge, client, cold or rest; leaves bin/bench.json alone
//
// Contenders take turns, round after round. A value is the median of its rounds, ±
// half the distance between the quartiles; a ratio is that of the medians, and above
// 1 where ours is better, with its range over the rounds. The floor is what no peer
// of its kind can go under: a loop that reads bytes in the page, native gRPC without
// a bridge. CPU time is the kernel's count for the thread or process, and much less
// moved by what else the machine does than anything by the clock.

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
 * @property {number} rounds of contenders that go on running
 * @property {number} news rounds of those that are started anew each time
 * @property {number} seconds of one measurement, after warm seconds of the same
 * @property {number} lines of a log
 * @property {number} times that a message is sent, or a bridge left
 * @property {number} calls one after the other
 * @property {number} leaves of a page
 * @property {number} visits of a page
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
  if (!parts[name]) throw new Error(`${name} is none of ${Object.keys(parts).join(", ")}`);
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
