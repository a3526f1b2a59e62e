// A page that does not read a log holds the bridge back, over each connection that it may
// have, and gets every line once it reads. In Chromium test/e2e/backpressure.test.ts also
// measures memory.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Batches, LogEntry, Transport } from "../../src/index.js";
import {
  browserName,
  loadScript,
  makeCertificate,
  runs,
  Stage,
  serviceLogs,
} from "../e2e/harness.js";
import { getProviderStatus } from "../e2e/page.js";

const megabyte = 1024 * 1024;
const size = 48 * megabyte;

/** The approximate length of a line, in bytes. */
const line = 120;

/** How long nothing is read, in milliseconds: a log without backpressure is then all sent. */
const pause = 5_000;

declare global {
  var AkashProvider: typeof import("../../src/index.js");
  /** The log that the page reads when the test says so. */
  var unread: Batches<LogEntry>;
  /** Its states. */
  var states: string[];
  /** The first lines of it. */
  var begun: readonly LogEntry[];
}

let folder: string;
let stage: Stage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "akash-unread-"));
  makeCertificate(folder);
  stage = await Stage.open({
    fake: ["--log-lines", `${Math.round(size / line)}`, "--log-bytes", `${line}`],
  });
});
afterEach(() => stage.closePages());
afterAll(async () => {
  await stage?.close();
  await rm(folder, { recursive: true });
});

/** Opens a page of the bridge, and creates a client for the test there. */
async function open(url: string, transport: Transport, worker: boolean): Promise<Page> {
  const page = await stage.browser.newPage({ ignoreHTTPSErrors: true });
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

const tls = () => ["--tls-cert", join(folder, "cert.pem"), "--tls-key", join(folder, "key.pem")];

type Way = [Transport, string, () => string[], string, boolean];

const ways: Way[] = [
  ["auto", "HTTP/2 with TLS", tls, "page", false],
  ["auto", "HTTP/2 with TLS", tls, "worker", true],
  ["websocket", "HTTP/1.1", () => [], "page", false],
  ["websocket", "HTTP/1.1", () => [], "worker", true],
  ["websocket", "TLS", tls, "page", false],
  ["fetch", "HTTP/1.1", () => [], "page", false],
];

describe.each(ways)("over %s and %s", (transport, protocol, flags, where, worker) => {
  const tried = transport !== "fetch" || runs("unreadFetch");
  test.runIf(tried)(
    `in a ${where}, an unread log holds the bridge back, and every line arrives in the end`,
    async () => {
      await using bridge = await stage.withNewBridge(...flags());
      const page = await open(bridge.url, transport, worker);
      const { provider, lease, auth } = stage.fake;
      await page.evaluate(
        async (options) => {
          globalThis.states = [];
          const onState = (state: string) => states.push(state);
          globalThis.unread = client.streamLogs({ ...options, onState }).batches();
          globalThis.begun = (await unread.next()).value ?? [];
        },
        { provider, lease, auth: auth.jwt },
      );
      await new Promise((resolve) => setTimeout(resolve, pause));
      // Either the provider has more to send than all buffers hold, or the stream was ended,
      // to go on over a WebSocket when it is read.
      const moves = browserName === "firefox" && transport === "auto";
      expect(await stage.fake.open(serviceLogs)).toBe(moves ? 0 : 1);
      // Other calls work meanwhile.
      const result = await getProviderStatus(page, provider, { retries: 0, timeoutMs: 20_000 });
      expect(result.error).toBeUndefined();

      const start = performance.now();
      const logs = await page.evaluate(async () => {
        const text = new Map<string, { lines: number; parts: string[] }>();
        const take = (entries: readonly LogEntry[]) => {
          for (const { service, replica, message } of entries) {
            const name = `${service}/${replica}`;
            const log = text.get(name) ?? { lines: 0, parts: [] };
            text.set(name, log);
            log.lines++;
            log.parts.push(message, "\n");
          }
        };
        take(begun);
        for await (const entries of unread) take(entries);
        return Promise.all(
          Array.from(text, async ([name, { lines, parts }]) => {
            const bytes = new TextEncoder().encode(parts.join(""));
            const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
            const sha256 = Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("");
            return { name, lines, sha256 };
          }),
        );
      });
      const states = await page.evaluate(() => globalThis.states);
      expect(states).toEqual(moves ? ["open", "reconnecting", "open", "ended"] : ["open", "ended"]);
      console.log(
        `${transport} over ${protocol} in a ${where}: ${size / megabyte} MB were read in`,
        `${Math.round(performance.now() - start)} ms, after they had not been for a while`,
      );
      const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
      const written = (await stage.fake.logs()).map(({ service, replica, lines, sha256 }) => ({
        name: `${service}/${replica}`,
        lines,
        sha256,
      }));
      expect(logs.sort(byName)).toEqual(written.sort(byName));
    },
  );
});
