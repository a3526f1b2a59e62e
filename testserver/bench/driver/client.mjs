// Measures the client beside its peers: in one page, through one bridge, with one
// provider, until there are objects with service, replica and message.

import { deepStrictEqual } from "node:assert";
import { startBridge, startLoad } from "./bridge.mjs";
import { launch, Renderer } from "./chromium.mjs";
import { compare } from "./rounds.mjs";
import { Site } from "./site.mjs";
import { Stage } from "./stage.mjs";

const peers = ["connect-web", "grpc-web"];
const perSecond = { unit: "lines/main-thread CPU s", better: "higher", figure: "perCpuSecond" };

/**
 * The logs that are read. share is the part of the requested number of lines. The
 * longer a log, the larger the pieces in which a busy page receives it, and the lower
 * the cost per piece.
 */
const loads = [
  {
    name: "120-byte lines",
    share: 1,
    open: ({ lines }) => Stage.open(`--log-lines=${lines}`, "--log-bytes=120", "--log-chunk=1"),
    entries: true,
    blocks: true,
  },
  {
    name: "2 KB chunks",
    share: 1,
    open: ({ lines }) => Stage.open(`--log-lines=${lines}`, "--log-bytes=120", "--log-chunk=2048"),
  },
  { name: "120-byte lines, non-ASCII", share: 0.5, open: openForeign },
];

/** Starts a provider whose log has a non-ASCII character in every word. */
async function openForeign({ lines }) {
  const stage = await Stage.open("--log-lines=0", "--log-chunk=1");
  const [log] = await (await stage.control("/logs")).json();
  const words = "日志记录 Größe=12µs 사용자 로그인 🚀 déployé Привет 👩‍💻 वेब ";
  let text = "";
  for (let i = 0; i < lines; i++) text += `${i} ${words.slice(i % 20)}${words.slice(0, i % 20)}\n`;
  const { service, replica } = log;
  await stage.control(`/write?service=${service}&replica=${replica}`, {
    method: "POST",
    body: text,
  });
  return stage;
}

export async function measureClient({ rounds, lines, calls, leaves }) {
  const site = await Site.open();
  const files = { wasmUrl: site.url + site.addModule(), workerUrl: site.url + site.addWorker() };
  const url = site.page("/", `<script type="module" src="${site.addScript("main")}"></script>`);
  const browser = await launch();
  const open = async () => {
    const page = await browser.newPage();
    await page.goto(url);
    await page.waitForFunction("globalThis.bench");
    return page;
  };

  const rows = [];
  for (const { share, ...kind } of loads) {
    const load = { ...kind, lines: lines * share };
    const stage = await load.open(load);
    const page = await open();
    rows.push(...(await measureLoad(page, stage.source(files), load, rounds)));
    if (load.blocks) {
      rows.push(...(await measureBlocks(page, stage.source(files), load, rounds)));
      rows.push(...(await measureUnary(page, stage.source(files), calls, rounds)));
    }
    await page.close();
    await stage.close();
  }
  rows.push(...(await measureLeaving(open, files, leaves)));
  await browser.close();
  await site.close();
  return rows;
}

/** Measures lines per second of main thread time. */
async function measureLoad(page, source, load, rounds) {
  const renderer = await Renderer.of(page);
  let expected;
  const read = (client) => async () => {
    const { main, all, ms, bytes, ...tally } = await renderer.measure(() =>
      page.evaluate(([client, source]) => bench.logs(client, source), [client, source]),
    );
    if (bytes === undefined) {
      expected ??= { ...tally, lines: load.lines };
      deepStrictEqual(tally, expected, `${client} did not deliver the log`);
    }
    return {
      perCpuSecond: (load.lines / main) * 1000,
      perProcessSecond: (load.lines / all) * 1000,
      perSecond: (load.lines / ms) * 1000,
    };
  };
  const ours = [
    "batches",
    "webSocket",
    ...(load.entries ? ["entries"] : []),
    "worker",
    "webSocketWorker",
  ];
  const clients = [...ours, ...peers, "fetch"];
  // The first run also compiles code and opens connections, so it is not measured.
  for (const client of clients) await read(client)();

  const name = `client: ${load.name}`;
  const of = { peers, floor: "fetch" };
  const rows = [{ name: `${name}, batches`, ...perSecond, ours: "batches", ...of }];
  if (load.entries) {
    rows.push(
      { name: `${name}, one by one`, ...perSecond, ours: "entries", ...of },
      {
        name: `${name}, all threads of the page`,
        unit: "lines/CPU s",
        better: "higher",
        figure: "perProcessSecond",
        ours: "batches",
        ...of,
      },
    );
  }
  rows.push(
    { name: `${name}, over a WebSocket`, ...perSecond, ours: "webSocket", ...of },
    { name: `${name}, in a worker`, ...perSecond, ours: "worker", ...of },
    {
      name: `${name}, over a WebSocket in a worker`,
      ...perSecond,
      ours: "webSocketWorker",
      ...of,
    },
    {
      name: `${name}, in a worker, by the clock`,
      unit: "lines/s",
      better: "higher",
      figure: "perSecond",
      ours: "worker",
      ...of,
    },
  );
  return compare(name, rounds, Object.fromEntries(clients.map((c) => [c, read(c)])), rows);
}

/**
 * Measures the longest time for which the page is blocked. Wall clock time depends on
 * what else runs on the machine; the CPU time of the longest task does not.
 */
async function measureBlocks(page, source, load, rounds) {
  const renderer = await Renderer.of(page);
  const clients = ["batches", "worker", ...peers, "fetch"];
  const watch = (client) => async () => {
    let gap;
    const task = await renderer.longestTask(async () => {
      gap = await page.evaluate(
        ([client, source]) => bench.longestGap(client, source),
        [client, source],
      );
    });
    return { gap, task };
  };
  const name = `client: longest block of the main thread, ${load.name}`;
  const of = { better: "lower", peers, floor: "fetch" };
  const rows = [
    ["batches", ""],
    ["worker", ", in a worker"],
  ].flatMap(([ours, how]) => [
    { name: name + how, unit: "ms", figure: "gap", ours, ...of },
    { name: `${name}${how}, CPU`, unit: "CPU ms", figure: "task", ours, ...of },
  ]);
  return compare(name, rounds, Object.fromEntries(clients.map((c) => [c, watch(c)])), rows);
}

/** Measures the CPU time of a unary call. */
async function measureUnary(page, source, calls, rounds) {
  const renderer = await Renderer.of(page);
  const ask = (client) => async () => {
    const { main } = await renderer.measure(() =>
      page.evaluate(
        ([client, source, calls]) => bench.status(client, source, calls),
        [client, source, calls],
      ),
    );
    return { perCall: main / calls };
  };
  const clients = ["akash", "connect-web", "fetch"];
  for (const client of clients) await ask(client)();
  const name = "client: status";
  return compare(name, rounds, Object.fromEntries(clients.map((c) => [c, ask(c)])), [
    {
      name,
      unit: "main-thread CPU ms/call",
      better: "lower",
      figure: "perCall",
      ours: "akash",
      peers: ["connect-web"],
      floor: "fetch",
    },
  ]);
}

/**
 * Measures the time from the end of a loop in the page until the provider's stream is
 * canceled. Chromium reads the wall clock once when a renderer starts, so each
 * measurement uses a new page.
 */
async function measureLeaving(open, files, times) {
  const load = await startLoad();
  const { program, target } = await startBridge(load, "", "--allow-insecure");
  const lease = { owner: load.ready.provider, dseq: 1, gseq: 1, oseq: 1 };
  const source = {
    bridgeUrl: `http://${target.address}`,
    ...files,
    provider: load.ready.provider,
    jwt: "",
    lease,
  };
  let serial = 0;
  const page = await open();
  const leave = (client) => async () => {
    const id = `page-${++serial}`;
    const left = await page.evaluate(
      ([client, source, name]) => bench.leave(client, source, name),
      [client, source, `quiet/${id}`],
    );
    const { unixMs } = await load.ask({ do: "cancelled", name: id });
    return { ms: unixMs - left };
  };
  const clients = ["akash", "connect-web"];
  for (const client of clients) await leave(client)();
  const name = "client: page leaves a stream → provider knows, p50";
  const rows = await compare(
    name,
    times,
    Object.fromEntries(clients.map((client) => [client, leave(client)])),
    [{ name, unit: "ms", better: "lower", figure: "ms", ours: "akash", peers: ["connect-web"] }],
  );
  await page.close();
  await program.stop();
  await load.stop();
  return rows;
}
