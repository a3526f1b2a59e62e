// Field: after one garbage collection, abort, close() and break all left the call open
// at the bridge, and the loop threw only with the next heartbeat.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type {
  CallOptions,
  Client,
  ClientOptions,
  LogOptions,
  ProviderError,
} from "../../src/index.js";
import type { TestBridge, TestProvider } from "../../src/testing/index.js";
import {
  evaluateInWorker,
  inOpenWorker,
  isChromium,
  metricsOf,
  openWorker,
  root,
  runs,
  Stage,
  serviceLogs,
  until,
} from "./harness.js";

const getStatus = "/akash.provider.v1.ProviderRPC/GetStatus";

/** How a stream is ended. */
type Way = "abort" | "close" | "return" | "break";

/** How the loop or the call ended, and how long after it was left, in milliseconds. */
interface Left {
  outcome: string;
  took: number;
}

declare global {
  /** State shared by the functions below: a client, and how to end its stream. */
  var going: { client: Client; leave: (way: Way) => Promise<unknown> };
  var AkashProvider: typeof import("../../src/index.js");
}

// These run in the page, or in the other process, so they must not use this module.

async function connect(options: ClientOptions): Promise<void> {
  globalThis.going = { client: await AkashProvider.createClient(options), leave: async () => {} };
}

/** Follows a log, reads its first line if it has one, and waits for the next. */
async function follow(request: LogOptions, reads: boolean, way: Way): Promise<void> {
  const abort = new AbortController();
  const stream = going.client.streamLogs({ ...request, signal: abort.signal });
  let leave = () => {};
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  let began = () => {};
  const first = new Promise<void>((resolve) => {
    began = resolve;
  });
  const loop = async () => {
    if (way === "return") {
      const entries = stream[Symbol.asyncIterator]();
      if (reads) await entries.next();
      const next = entries.next();
      began();
      await left;
      await entries.return?.();
      await next;
      return;
    }
    for await (const _ of stream) {
      began();
      if (way !== "break") continue;
      await left;
      break;
    }
  };
  const over = loop();
  over.catch(() => {});
  going.leave = (way) => {
    leave();
    if (way === "abort") abort.abort();
    if (way === "close") void stream.close();
    return over;
  };
  if (reads) await first;
}

/** Gets the status of a provider that does not answer. */
async function ask(provider: string, options: CallOptions): Promise<void> {
  const abort = new AbortController();
  const result = going.client.getProviderStatus(provider, { ...options, signal: abort.signal });
  going.leave = async () => {
    abort.abort();
    const settled = await result;
    if (settled.status === "error") throw settled.error;
  };
}

async function leave(way: Way): Promise<Left> {
  const start = performance.now();
  const outcome = await Promise.race([
    going.leave(way).then(
      () => "done",
      (error: ProviderError) => error.code,
    ),
    new Promise<string>((resolve) => setTimeout(resolve, 2_000, "it goes on")),
  ]);
  return { outcome, took: performance.now() - start };
}

/** An environment for a client in which garbage can be collected on demand. */
interface Place {
  options: ClientOptions;
  /** Runs a function there, with arguments that JSON can hold. */
  run<A extends unknown[], R>(f: (...args: A) => Promise<R>, ...args: A): Promise<R>;
  collect(): Promise<void>;
  close(): Promise<void>;
}

/** A process of another version of Node, with the built package. */
async function inNode(executable: string): Promise<Place> {
  const program = `
    import { createInterface } from "node:readline";
    import * as AkashProvider from ${JSON.stringify(pathToFileURL(`${root}npm/dist/node.js`))};
    globalThis.AkashProvider = AkashProvider;
    for await (const line of createInterface(process.stdin)) {
      const [f, args] = JSON.parse(line);
      const result = await (0, eval)("(" + f + ")")(...args);
      console.log(JSON.stringify(result ?? null));
    }`;
  const args = ["--expose-gc", "--input-type=module", "--eval", program];
  const child = spawn(executable, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const exited = once(child, "exit");
  const run: Place["run"] = async (f, ...args) => {
    child.stdin.write(`${JSON.stringify([String(f), args])}\n`);
    const { done, value } = await lines.next();
    if (done) throw new Error(`${executable} ended`);
    return JSON.parse(value);
  };
  return {
    options: {},
    run,
    collect: () => run(collect),
    close: async () => {
      child.stdin.end();
      child.kill();
      await exited;
    },
  };
}

/** A page with the built package. */
async function inPage(options: ClientOptions): Promise<Place> {
  const page = await stage.page("module");
  return {
    options,
    run: (f, ...args) => page.evaluate(`(${f})(...${JSON.stringify(args)})`),
    collect: async () => {
      await page.evaluate(collect);
      if (options.worker) await evaluateInWorker(page, `(${collect})()`);
    },
    close: () => page.close(),
  };
}

/** Collects garbage, and runs finalizers. */
async function collect(): Promise<void> {
  const { gc, TestUtils } = globalThis as unknown as {
    gc?(): void;
    /** Firefox's. */
    TestUtils?: { gc(): Promise<void> };
  };
  for (let i = 0; i < 5; i++) {
    if (gc) gc();
    else await TestUtils?.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

let stage: Stage;
let akash: TestProvider;

beforeAll(async () => {
  stage = await Stage.open({
    fake: ["--log-lines", "50"],
    chromium: ["--js-flags=--expose-gc"],
    files: openWorker,
  });
  akash = stage.fake;
});
afterAll(() => stage?.close());

/** One of the versions of Node in npm/test/nodes. */
const installed = (version: number) =>
  `${root}npm/test/nodes/node_modules/node-${version}/bin/node`;

type Entry = [string, () => Promise<Place>];

const nodes: Entry[] = [
  [`Node ${process.versions.node}`, () => inNode(process.execPath)],
  ["Node 22", () => inNode(installed(22))],
  ["Node 24", () => inNode(installed(24))],
];
const pages: Entry[] = [
  ["a page", () => inPage({ transport: "fetch" })],
  ["a page over WebSockets", () => inPage({ transport: "websocket" })],
  ["a worker", () => inPage({ transport: "fetch", ...inOpenWorker })],
];

// Node is the same beside every browser.
describe.each([...(isChromium ? nodes : []), ...pages])("in %s", (_, enter) => {
  let place: Place;

  beforeAll(async () => {
    place = await enter();
    await place.run(connect, { ...place.options, bridgeUrl: akash.bridgeUrl });
  });
  afterAll(() => place?.close());

  const left = async (way: Way, expected: string) => {
    if (runs("garbage")) await place.collect();
    const { outcome, took } = await place.run(leave, way);
    expect(outcome).toBe(expected);
    expect(took).toBeLessThan(500);
  };
  const request = (): LogOptions => {
    const { provider, lease, auth } = akash;
    // One heartbeat per minute, so that none ends a pending read.
    return { provider, lease, auth: auth.jwt, follow: true, tail: 1, heartbeatMs: 60_000 };
  };

  test.each<[Way, string]>([
    ["abort", "CANCELLED"],
    ["close", "CANCELLED"],
    ["return", "done"],
    ["break", "done"],
  ])("%s ends a stream at once, and at the provider within a second", async (way, outcome) => {
    await place.run(follow, request(), true, way);
    expect(await akash.open(serviceLogs)).toBe(1);
    await left(way, outcome);
    await until("the provider's stream is gone", 1_000, async () => {
      return (await akash.open(serviceLogs)) === 0;
    });
  });

  test("a signal ends a call without a response", async () => {
    await akash.setFault("hang-headers");
    try {
      await place.run(ask, akash.provider, { retries: 0 });
      await until("the provider has the call", 5_000, async () => {
        return (await akash.open(getStatus)) === 1;
      });
      await left("abort", "CANCELLED");
      await until("the provider's call is gone", 1_000, async () => {
        return (await akash.open(getStatus)) === 0;
      });
    } finally {
      await akash.clearFault("hang-headers");
    }
  });

  test.each<[Way, string]>([
    ["abort", "CANCELLED"],
    ["close", "CANCELLED"],
  ])("%s gives up a stream that has no answer yet", async (way, outcome) => {
    // A bridge without a connection to the provider, which cannot be reached.
    await using bridge = await akash.startBridge();
    await akash.setFault("slow-connect=1m");
    try {
      await place.run(connect, { ...place.options, bridgeUrl: bridge.url });
      await place.run(follow, request(), false, way);
      await until("the bridge has the call", 5_000, async () => (await calls(bridge)) === 1);
      await left(way, outcome);
      await until("the bridge's call is gone", 1_000, async () => (await calls(bridge)) === 0);
    } finally {
      await akash.clearFault("slow-connect=1m");
    }
  });
});

/** The number of a bridge's log streams. */
async function calls(bridge: TestBridge): Promise<number> {
  const name = `akash_bridge_open_calls{method="${serviceLogs}"}`;
  return (await metricsOf(bridge.url))(name, 0);
}
