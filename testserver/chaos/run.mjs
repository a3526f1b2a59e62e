// Follows logs in Chromium while bridges and the provider are killed and connections
// are closed and stalled, and compares every received line with what was written.
//
//   node testserver/chaos/run.mjs [--short] [--seed N] [--streams N] [--kills N] [--verbose] [WORD…]
//
//   --short    a short part that takes half a minute, as in `make test`; always the same
//   --seed N   selects the faults and their times; a failed run prints its seed
//   WORD…      only runs whose name has all of these words: fetch, websocket, gRPC, REST, page, worker
//
// Prints a line per run, writes the totals and the runs to bin/chaos.json, and exits
// with 1 if a line was lost, received twice, or received in the wrong place.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { columns } from "../bench/driver/report.mjs";
import { Random } from "./random.mjs";
import { describe, scenario } from "./scenario.mjs";
import { Stage } from "./stage.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: "boolean" },
    verbose: { type: "boolean" },
    seed: { type: "string" },
    streams: { type: "string" },
    kills: { type: "string" },
  },
});

/**
 * How long the streams may make no progress before they count as stuck, in milliseconds.
 */
const stuckTimeout = 90_000;

/** The interval of the streams' heartbeats, in milliseconds. */
const heartbeatMs = 1000;

const seed = Number(values.seed ?? (values.short ? 1 : Math.floor(Math.random() * 1e9)));
const streams = Number(values.streams ?? (values.short ? 10 : 50));
const kills = Number(values.kills ?? (values.short ? 4 : 20));
const rate = 60;

/**
 * What the streams select, in turn. tail exceeds the number of lines written while the
 * streams open.
 */
const selections = [
  {},
  { filter: { name: "web" } },
  { filter: { name: "db" } },
  { tail: 500 },
  { filter: { name: "web", replicas: [1] } },
];

const runs = ["fetch", "websocket"].flatMap((transport) =>
  ["gRPC", "REST"].flatMap((dialect) =>
    ["page", "worker"].map((mode) => ({ transport, dialect, mode })),
  ),
);

/** The runs of --short, in which each transport, dialect and mode occurs once. */
const shortRuns = ["fetch gRPC page", "websocket REST worker"];

const nameOf = ({ transport, dialect, mode }) => `${transport} ${dialect} ${mode}`;
const selected = runs.filter((run) =>
  values.short && positionals.length === 0
    ? shortRuns.includes(nameOf(run))
    : positionals.every((word) =>
        nameOf(run).toLowerCase().split(" ").includes(word.toLowerCase()),
      ),
);

const started = performance.now();
function trace(text) {
  if (values.verbose) {
    console.error(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} ${text}`);
  }
}

/** Runs one combination: opens the streams, injects faults and compares all lines. */
async function run(kind, folder) {
  const random = new Random(seed);
  const stage = await Stage.open({ ...kind, seed: (seed % 1000) + 1, rate, folder });
  try {
    return await new Run(stage, random).execute();
  } finally {
    await stage.close();
  }
}

class Run {
  #mark = 0;

  constructor(stage, random) {
    this.stage = stage;
    this.random = random;
    this.kills = 0;
    this.stuck = false;
  }

  async execute() {
    const { stage } = this;
    const { provider, lease, jwt } = stage.ready;
    const before = await stage.logs();
    const requests = Array.from({ length: streams }, (_, id) => ({
      id,
      provider,
      lease,
      auth: { type: "jwt", token: jwt },
      heartbeatMs,
      ...selections[id % selections.length],
    }));
    await stage.page.evaluate((requests) => chaos.follow(requests), requests);
    await this.settle();
    const after = await stage.logs();

    for (const fault of scenario(this.random, kills)) {
      if (!fault.settled) await sleep(fault.after);
      else if (!(await this.settle())) break;
      trace(describe(fault));
      await this.#inject(fault);
      await this.#writeDuplicates();
    }
    await stage.control("POST", "/rate?lines=0");
    await this.settle();

    const logs = (await stage.logs()).map((log, i) => ({
      ...log,
      first: before[i].lines,
      last: after[i].lines,
    }));
    const result = await stage.page.evaluate(
      ([control, logs, tailed]) => chaos.compare(control, logs, tailed),
      [stage.ready.control, logs, stage.dialect === "REST"],
    );
    return { streams, kills: this.kills, ...result, pageErrors: stage.pageErrors };
  }

  /** Injects a fault and ends it. */
  async #inject({ kind, who, link, bytes, directions, lost, lasts }) {
    const { stage } = this;
    if (who) {
      for (const name of who) await stage[kind](name);
      if (kind === "kill") this.kills += who.length;
      await sleep(lasts);
      for (const name of who) await stage.start(name);
      return;
    }
    if (kind === "offline") {
      await stage.setOffline(true);
      await sleep(lasts);
      await stage.setOffline(false);
      return;
    }
    for (const proxy of stage.proxies(link)) {
      if (kind === "cut") await stage.links.cut(proxy);
      else if (kind === "limit") await stage.links.limit(proxy, bytes);
      else await stage.links.stall(proxy, directions, lost);
    }
    if (kind === "cut") return;
    await sleep(lasts);
    for (const proxy of stage.proxies(link)) await stage.links.restore(proxy);
  }

  /** Writes the same line several times to one replica's log. */
  async #writeDuplicates() {
    const log = this.random.pick(await this.stage.logs());
    await this.stage.write(log, "again\n".repeat(this.random.between(2, 5)));
  }

  /**
   * Waits until every stream has received all lines written so far, and returns whether
   * that was the case.
   */
  async settle() {
    const { stage } = this;
    const logs = await stage.logs();
    const mark = ++this.#mark;
    for (const log of logs) await stage.write(log, `chaos mark ${mark}\n`);
    const names = logs.map(({ service, replica }) => ({ service, replica }));
    let [behind, moved, logged] = [Infinity, performance.now(), performance.now()];
    for (;;) {
      const progress = await Promise.race([
        stage.page.evaluate(([names, mark]) => chaos.progress(names, mark), [names, mark]),
        stage.crashed,
      ]);
      if (progress.behind.length === 0) {
        trace(`${progress.lines} lines, ${progress.gaps} gaps`);
        return true;
      }
      // New lines do not count as progress: a stream that has lost a mark
      // receives them, too.
      if (progress.behind.length < behind) {
        [behind, moved] = [progress.behind.length, performance.now()];
      }
      if (performance.now() - logged > 5000) {
        logged = performance.now();
        trace(`waiting for ${JSON.stringify(progress.behind)}`);
      }
      if (progress.ended.length > 0 || performance.now() - moved > stuckTimeout) {
        console.error(`not at mark ${mark}:`, JSON.stringify(progress));
        return false;
      }
      await sleep(50);
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), "chaos-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

console.log(`seed ${seed}`);
const figures = ["streams", "kills", "lines", "lost", "doubled", "strange", "moved", "gaps"];
const results = [];
let failed = false;
for (const kind of selected) {
  trace(nameOf(kind));
  const began = performance.now();
  const result = await run(kind, join(folder, nameOf(kind).replaceAll(" ", "-")));
  const seconds = Math.round((performance.now() - began) / 1000);
  results.push({ ...kind, ...result, seconds });
  for (const detail of result.details) console.error(nameOf(kind), JSON.stringify(detail));
  for (const pageError of result.pageErrors) console.error(nameOf(kind), pageError);
  failed ||= result.lost + result.doubled + result.strange + result.moved > 0;
}

columns([
  ["", ...figures, "seconds"],
  ...results.map((result) => [
    nameOf(result),
    ...figures.map((name) => `${result[name]}`),
    `${result.seconds}`,
  ]),
]);

if (!values.short) {
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  const bin = fileURLToPath(new URL("../../bin", import.meta.url));
  mkdirSync(bin, { recursive: true });
  const json = {
    ...Object.fromEntries(figures.map((name) => [name, sum(name)])),
    seed,
    runs: results.map(({ details, pageErrors, ...result }) => result),
  };
  writeFileSync(join(bin, "chaos.json"), `${JSON.stringify(json, null, 2)}\n`);
}
process.exit(failed ? 1 : 0);
