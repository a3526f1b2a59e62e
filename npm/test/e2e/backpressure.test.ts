// A page stops reading a log that is larger than all buffers on its path. LOG_MB=1024
// makes it a gigabyte.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Batches, LogEntry, Transport } from "../../src/index.js";
import {
  loadScript,
  makeCertificate,
  metricsOf,
  Stage,
  serviceLogs,
  until,
  withSlowTests,
} from "./harness.js";
import { getProviderStatus } from "./page.js";

const megabyte = 1024 * 1024;
const long = process.env.LOG_MB !== undefined;
const size = Number(process.env.LOG_MB ?? 64) * megabyte;

/** The approximate length of a line, in bytes. */
const line = 120;

/** The memory that not reading may cost, in bytes. */
const pageBudget = 8 * megabyte;
const bridgeBudget = megabyte; // a stream
/** The additional memory of the bridge until its garbage is collected. */
const noise = 4 * megabyte;

/** The number of additional streams, if a browser allows that many. */
const others = 20;

/** How long nothing is read, in milliseconds. */
const pause = long ? 15_000 : 2_000;

/** The number of lines of a replica, and the FNV-1a hash of their bytes in order. */
interface Sum {
  lines: number;
  hash: number;
}

declare global {
  /** The client that the bridge serves. */
  var AkashProvider: typeof import("../../src/index.js");
  /** The memory of the page's module, unless a worker runs it. */
  var moduleMemory: WebAssembly.Memory | undefined;
  /** What the page has read of its log. */
  var log: { batches: Batches<LogEntry>; sums: Record<string, Sum> };
  /** What the page has read of other logs. */
  var stalled: { batches: Batches<LogEntry>; states: string[]; lines: number }[];
  /** Adds entries to the sums. */
  var take: (entries: readonly LogEntry[] | undefined) => void;
}

/** Runs in a page before its own scripts, and captures the module's memory. */
function spy(): void {
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = (async (...args: Parameters<typeof instantiate>) => {
    const instance = (await instantiate(...args)) as unknown as WebAssembly.Instance;
    globalThis.moduleMemory = instance.exports.mem as WebAssembly.Memory;
    return instance;
  }) as unknown as typeof instantiate;
  globalThis.take = (entries = []) => {
    const encoder = new TextEncoder();
    for (const { service, replica, message } of entries) {
      const name = `${service}/${replica}`;
      const sum = log.sums[name] ?? { lines: 0, hash: 0x811c9dc5 };
      log.sums[name] = sum;
      sum.lines++;
      let { hash } = sum;
      for (const byte of encoder.encode(`${message}\n`)) hash = Math.imul(hash ^ byte, 0x01000193);
      sum.hash = hash;
    }
  };
}

/** Memory in bytes. */
interface Usage {
  /** Of the page: JavaScript objects, buffers and the module. */
  page: number;
  /** Of all of the browser's processes, as counted by the system. */
  browser: number;
}

async function usage(page: Page, cdp: CDPSession): Promise<Usage> {
  await cdp.send("HeapProfiler.collectGarbage");
  const heap = (await cdp.send("Runtime.getHeapUsage")) as unknown as Record<string, number>;
  const { usedSize = 0, embedderHeapUsedSize = 0, backingStorageSize = 0 } = heap;
  const memory = await page.evaluate(() => globalThis.moduleMemory?.buffer.byteLength ?? 0);
  return {
    page: usedSize + embedderHeapUsedSize + backingStorageSize + memory,
    browser: await resident(page),
  };
}

async function resident(page: Page): Promise<number> {
  const browser = await page.context().browser()?.newBrowserCDPSession();
  const { processInfo = [] } = (await browser?.send("SystemInfo.getProcessInfo")) ?? {};
  await browser?.detach();
  let kilobytes = 0;
  for (const { id } of processInfo) {
    const text = await readFile(`/proc/${id}/smaps_rollup`, "utf8").catch(() => "");
    kilobytes += Number(/^Pss: +(\d+) kB/m.exec(text)?.[1] ?? 0);
  }
  return kilobytes * 1024;
}

/** What the provider has written, summarised as in the page. */
async function written({ fake }: Stage): Promise<Record<string, Sum>> {
  const sums: Record<string, Sum> = {};
  for (const { service, replica, lines } of await fake.logs()) {
    const query = new URLSearchParams({ service, replica: `${replica}` });
    const { body } = await fetch(`${fake.ready.control}/log?${query}`);
    let hash = 0x811c9dc5;
    for await (const chunk of body as ReadableStream<Uint8Array>) {
      for (const byte of chunk) hash = Math.imul(hash ^ byte, 0x01000193);
    }
    sums[`${service}/${replica}`] = { lines, hash };
  }
  return sums;
}

/** The flags for a bridge with HTTP/2. */
const tls = () => ["--tls-cert", join(folder, "cert.pem"), "--tls-key", join(folder, "key.pem")];

/** Opens a page of a bridge, and creates a client for the test there. */
async function open(url: string, transport: Transport, worker = false): Promise<Page> {
  const page = await stage.browser.newPage({ ignoreHTTPSErrors: true });
  await page.addInitScript(spy);
  await page.goto(`${url}/healthz`);
  await loadScript(page);
  await page.evaluate(
    async ([transport, worker]) => {
      const options = { bridgeUrl: location.origin, transport, worker };
      globalThis.client = await AkashProvider.createClient(options);
    },
    [transport, worker] as const,
  );
  return page;
}

let folder: string;
let stage: Stage;
let want: Record<string, Sum>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "akash-backpressure-"));
  makeCertificate(folder);
  stage = await Stage.open({
    fake: ["--log-lines", `${Math.round(size / line)}`, "--log-bytes", `${line}`],
  });
  want = await written(stage);
}, 600_000);
afterAll(async () => {
  await stage?.close();
  await rm(folder, { recursive: true });
});

type Way = [Transport, string, "page" | "worker", number, () => string[]];

const ways: Way[] = [
  ["websocket", "HTTP/1.1", "worker", others, () => []],
  ["fetch", "HTTP/2", "page", 1, tls],
];
if (withSlowTests) ways.push(["websocket", "HTTP/1.1", "page", others, () => []]);
if (long) ways.push(["fetch", "HTTP/1.1", "page", 4, () => []]);

describe.each(ways)("over %s and %s, in a %s", (transport, protocol, where, others, flags) => {
  test("if a page stops reading a log, it and the bridge buffer little, and it gets every line in the end", {
    timeout: 600_000,
  }, async () => {
    // Measure what the bridge holds, not uncollected garbage.
    vi.stubEnv("GOGC", "20");
    await using fresh = await stage.withNewBridge(...flags());
    vi.unstubAllEnvs();
    const page = await open(fresh.url, transport, where === "worker");
    const { provider, lease } = stage.fake;
    const options = { provider, lease, auth: stage.fake.auth.jwt };
    // The fixed memory of a call is not counted.
    await page.evaluate(async (options) => {
      const open = () => client.streamLogs({ ...options, follow: false }).batches();
      for (let i = 0; i < 3; i++) {
        const batches = open();
        for (let n = 0; n < 20; n++) await batches.next();
        await batches.return?.();
      }
      globalThis.log = { batches: open(), sums: {} };
    }, options);
    await until("the first streams are over", 5_000, async () => {
      return (await stage.fake.open(serviceLogs)) === 0;
    });
    const cdp = await page.context().newCDPSession(page);
    const idle = await usage(page, cdp);

    await page.evaluate(async () => take((await log.batches.next()).value));
    let most: Usage = { page: 0, browser: 0 };
    for (const end = performance.now() + pause; performance.now() < end; ) {
      const now = await usage(page, cdp);
      most = {
        page: Math.max(most.page, now.page),
        browser: Math.max(most.browser, now.browser),
      };
    }
    expect(await stage.fake.open(serviceLogs)).toBe(1);

    const before = await metricsOf(fresh.url);
    await page.evaluate(
      async ([options, others]) => {
        const open = async () => {
          const batches = client.streamLogs({ ...options, follow: false }).batches();
          await batches.next();
          return batches;
        };
        Object.assign(globalThis, {
          others: await Promise.all(Array.from({ length: others }, open)),
        });
      },
      [options, others] as const,
    );
    let resident = 0;
    for (const end = performance.now() + pause; performance.now() < end; ) {
      const now = await metricsOf(fresh.url);
      resident = Math.max(resident, now("process_resident_memory_bytes"));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const each = (resident - before("process_resident_memory_bytes")) / others;
    expect(await stage.fake.open(serviceLogs)).toBe(1 + others);
    await page.evaluate("Promise.all(others.map((batches) => batches.return()))");

    const start = performance.now();
    const sums = await page.evaluate(async () => {
      for await (const entries of log.batches) take(entries);
      return log.sums;
    });
    const took = performance.now() - start;
    expect(sums).toEqual(want);
    const mb = (bytes: number) => (bytes / megabyte).toFixed(1);
    console.log(
      `a log of ${mb(size)} MB that is not read, over ${transport} and ${protocol}, in a ${where}:`,
      `${mb(most.page - idle.page)} MB in the page`,
      `(and of all the browser ${mb(most.browser - idle.browser)} MB),`,
      `${mb(each * others)} MB for ${others} more streams in the bridge; then read in ${Math.round(took)} ms`,
    );
    expect(most.page - idle.page).toBeLessThan(pageBudget);
    expect(each).toBeLessThan(bridgeBudget + noise / others);
    await page.close();
  });
});

test("over HTTP/2 unread logs do not block other calls, and all of their lines arrive", async () => {
  await using fresh = await stage.withNewBridge(...tls());
  const page = await open(fresh.url, "auto");
  const { provider, lease } = stage.fake;
  await page.evaluate(
    async (options) => {
      const open = async () => {
        const states: string[] = [];
        const batches = client
          .streamLogs({
            ...options,
            onState: (s) => states.push(s),
            onGap: () => states.push("gap"),
          })
          .batches();
        const first = await batches.next();
        return { batches, states, lines: first.value?.length ?? 0 };
      };
      globalThis.stalled = await Promise.all(Array.from({ length: 4 }, open));
    },
    { provider, lease, auth: stage.fake.auth.jwt },
  );
  const result = await getProviderStatus(page, provider, { timeoutMs: 20_000, retries: 0 });
  expect(result.error).toBeUndefined();
  await until(
    "all but one make room",
    20_000,
    async () => (await stage.fake.open(serviceLogs)) === 1,
  );
  const again = await getProviderStatus(page, provider, { timeoutMs: 2_000, retries: 0 });
  expect(again.error).toBeUndefined();
  const logs = await page.evaluate(() =>
    Promise.all(
      stalled.map(async (log) => {
        for await (const entries of log.batches) log.lines += entries.length;
        return { lines: log.lines, states: log.states.join(" ") };
      }),
    ),
  );
  const lines = Object.values(want).reduce((sum, { lines }) => sum + lines, 0);
  expect(logs.map((log) => log.lines)).toEqual(Array(4).fill(lines));
  expect(logs.map((log) => log.states).sort()).toEqual([
    "open ended",
    ...Array(3).fill("open reconnecting open ended"),
  ]);
});
