// Profiles what run.mjs measures:
//
//   node testserver/bench/profile.mjs [--door https|websocket] [bridge] [idle] [client] [visit]
//
// idle is the last part of bridge: what a thousand quiet streams hold in memory. visit
// traces first and later visits of the pages that cold.mjs measures.
// `make bench ONLY=rest` installs what it needs. It prints the most expensive
// functions and writes profiles to bin/profile: of the bridge for `go tool pprof`, of
// the client for the performance panel of Chromium's developer tools.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { launchOptions } from "../chromium.mjs";
import { certificateFlags, startLoad } from "./driver/bridge.mjs";
import { launch } from "./driver/chromium.mjs";
import { cachingTime, pagesOf } from "./driver/cold.mjs";
import { freePort, start } from "./driver/program.mjs";
import { columns, short } from "./driver/report.mjs";
import { Site } from "./driver/site.mjs";
import { Stage } from "./driver/stage.mjs";
import { build, bundle, dist, here, root, sh } from "./driver/tools.mjs";
import { phaseNames, traceVisit } from "./driver/trace.mjs";

const out = join(root, "bin/profile");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { door: { type: "string", default: "" } },
});
const chosen = positionals.length > 0 ? positionals : ["bridge", "client"];
mkdirSync(out, { recursive: true });
build();
if (chosen.includes("bridge") || chosen.includes("idle")) await profileBridge();
if (chosen.includes("client")) await profileClient();
if (chosen.includes("visit")) await profileVisits();

async function profileBridge() {
  const bridge = join(dist, "bridge.profiled");
  const overlay = join(dist, "overlay.json");
  const laid = { [join(root, "bridge/zz_pprof.go")]: join(here, "profile/pprof.go") };
  writeFileSync(overlay, JSON.stringify({ Replace: laid }));
  sh("go", ["build", `-overlay=${overlay}`, "-o", bridge, "./bridge"], { cwd: root });

  const { door } = values;
  const load = await startLoad();
  const run = async (command, profile, { at, heap = "" }) => {
    process.env.BENCH_PPROF = `127.0.0.1:${await freePort()}`;
    process.env.BENCH_HEAP = heap;
    const { providers, header } = command.do === "flood" ? load.ready.floods : load.ready;
    const program = await start(
      bridge,
      "--listen=127.0.0.1:0",
      "--allow-private-networks",
      ...Object.entries(providers).map(([address, uri]) => `--provider=${address}=${uri}`),
      ...certificateFlags(load.files, door),
    );
    const { host } = new URL(program.ready.url);
    const target = { address: host, door, header, pid: program.pid };
    const done = load.ask({ ...command, target });
    await sleep(at);
    if (command.do === "idle") await allOpen(command.streams);
    const url = `http://${process.env.BENCH_PPROF}/debug/pprof/${profile}`;
    const body = Buffer.from(await (await fetch(url)).arrayBuffer());
    await done;
    await program.stop();
    const file = join(out, `bridge-${command.do}${command.size ?? ""}.pb.gz`);
    writeFileSync(file, body);
    return file;
  };
  const top = (file, ...flags) => {
    const text = sh("go", ["tool", "pprof", "-top", ...flags, bridge, file], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    console.log(`\n${file}\n${text.split("\n").slice(4).join("\n")}`);
  };
  const busy = [
    ...(door === "websocket" ? [] : [{ do: "unary", streams: 64 }]),
    { do: "flood", streams: 32, size: 200 },
    { do: "flood", streams: 32, size: 16 << 10 },
  ];
  for (const command of chosen.includes("bridge") ? busy : []) {
    const file = await run({ ...command, warm: 1, seconds: 8 }, "profile?seconds=7", { at: 1000 });
    top(file, "-nodecount=30");
    top(file, "-cum", "-nodecount=45");
  }
  const idle = { do: "idle", streams: 1000 };
  top(await run(idle, "heap?gc=1", { at: 2000, heap: "1" }), "-inuse_space", "-nodecount=30");
  await load.stop();
}

/** Waits until the profiled bridge has more goroutines than streams, and no more come. */
async function allOpen(streams) {
  const url = `http://${process.env.BENCH_PPROF}/debug/pprof/goroutine?debug=1`;
  for (let before = 0; ; await sleep(500)) {
    const [, total] = (await (await fetch(url)).text()).match(/total (\d+)/);
    if (total > streams && total === before) return;
    before = total;
  }
}

async function profileVisits() {
  const site = await Site.open();
  const pages = pagesOf(site);
  const stage = await Stage.open("--log-lines=0");
  const { bridgeUrl, provider } = stage.source();
  const query = `?${new URLSearchParams({ bridgeUrl, provider })}`;
  // Later visits need a browser that keeps what it has cached.
  const directory = mkdtempSync(join(tmpdir(), "bench-profile-"));
  const context = await chromium.launchPersistentContext(directory, launchOptions());
  for (const cached of [false, true]) {
    const names = Object.keys(pages);
    const least = {};
    for (const name of names) {
      const visits = [];
      for (let i = 0; i < 5; i++) {
        // Chromium keeps what it has compiled some seconds after the first status.
        const stay = cached && i < 2 ? cachingTime : 0;
        visits.push(await traceVisit(context, pages[name] + query, { cached, stay }));
      }
      // The first two visits fill the cache. What another program takes of the processor's
      // cache only adds time.
      const of = (value) => Math.min(...visits.slice(2).map((visit) => value(visit) ?? 0));
      least[name] = { of };
    }
    console.log(`\n${cached ? "later visits" : "first visit"}, ms of CPU`);
    columns([
      ["", ...names],
      ...["main", "others"].flatMap((thread) =>
        phaseNames.map((phase) => [
          `${thread}: ${phase}`,
          ...names.map((name) => least[name].of((visit) => visit[thread][phase]).toFixed(1)),
        ]),
      ),
      [
        "functions that the main thread compiled",
        ...names.map((name) => String(least[name].of(({ functions }) => functions))),
      ],
    ]);
  }
  await context.close();
  rmSync(directory, { recursive: true, force: true });
  await stage.close();
  await site.close();
}

async function profileClient() {
  // The measured bundles, but with function names.
  const names = join(dist, "named.wasm");
  sh("go", ["build", "-trimpath", "-o", names, "./wasm"], {
    cwd: root,
    env: { ...process.env, GOOS: "js", GOARCH: "wasm" },
  });
  bundle(join(dist, "named"), "main");

  const lines = 200_000;
  const site = await Site.open();
  const wasmUrl = site.url + site.add(names);
  const script = site.add(join(dist, "named/main.js"));
  const url = site.page("/", `<script type="module" src="${script}"></script>`);
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(url);
  await page.waitForFunction("globalThis.bench");
  const session = await page.context().newCDPSession(page);
  await session.send("Profiler.enable");
  await session.send("Profiler.setSamplingInterval", { interval: 200 });

  const profile = async (name, run) => {
    for (let i = 0; i < 2; i++) await run();
    await session.send("HeapProfiler.collectGarbage");
    await session.send("Profiler.start");
    for (let i = 0; i < 3; i++) await run();
    const { profile } = await session.send("Profiler.stop");
    writeFileSync(join(out, `client-${name}.cpuprofile`), JSON.stringify(profile));
    print(name, profile);
  };
  const stage = await Stage.open(`--log-lines=${lines}`, "--log-bytes=120", "--log-chunk=1");
  const source = stage.source({ wasmUrl });
  for (const client of ["batches", "entries", "connect-web"]) {
    await profile(client, () =>
      page.evaluate(([client, source]) => bench.logs(client, source), [client, source]),
    );
  }
  for (const client of ["akash", "connect-web"]) {
    await profile(`status-${client}`, () =>
      page.evaluate(([client, source]) => bench.status(client, source, 300), [client, source]),
    );
  }
  await browser.close();
  await stage.close();
  await site.close();
}

/**
 * Prints the functions with the most self time, as a share of the time that is not idle.
 */
function print(name, { nodes, samples, timeDeltas }) {
  const of = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map();
  let busy = 0;
  for (const [i, sample] of samples.entries()) {
    const { functionName, url, lineNumber } = of.get(sample);
    if (functionName === "(idle)") continue;
    const where = url
      ? `${url.slice(url.lastIndexOf("/") + 1).slice(0, 24)}:${lineNumber + 1}`
      : "";
    const key = `${functionName || "(anonymous)"}\t${where}`;
    times.set(key, (times.get(key) ?? 0) + timeDeltas[i]);
    busy += timeDeltas[i];
  }
  const most = [...times].sort(([, a], [, b]) => b - a).slice(0, 25);
  console.log(`\nclient: ${name}, ${short(busy / 1000)} ms busy`);
  columns([
    ["%", "ms", "function", "where"],
    ...most.map(([key, us]) => [
      ((us / busy) * 100).toFixed(1),
      (us / 1000).toFixed(1),
      ...key.split("\t"),
    ]),
  ]);
}
