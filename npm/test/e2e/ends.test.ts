// Streams release all resources of the bridge and the provider, however they end.
// STREAMS=1000 makes a longer test.

import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogEntry, Stream, Transport } from "../../src/index.js";
import { browserName, metricsOf, Stage, serviceLogs, until } from "./harness.js";

const long = process.env.STREAMS !== undefined;
const streams = Number(process.env.STREAMS ?? 40);

/** How streams end. */
type Way =
  | "break"
  | "abort"
  | "close"
  | "the provider's end"
  | "cleanupConnections"
  | "a closed tab";

const ways: Way[] = [
  "break",
  "abort",
  "close",
  "the provider's end",
  "cleanupConnections",
  "a closed tab",
];

/** The goroutines and sockets of a bridge that are not those of streams. */
const noise = { goroutines: 12, sockets: 6 };

/** The idle connections of a closed tab that the browser keeps: Firefox, for two minutes. */
const kept = browserName === "firefox" ? 6 : 0;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--log-lines", "50"] });
});
afterAll(() => stage?.close());

/** Opens streams in the page, reads a line of each, and ends all but those that stay open. */
function run(page: Page, way: Way, count: number): Promise<void> {
  const { provider, lease, auth } = stage.fake;
  const options = { provider, lease, auth: auth.jwt, follow: way !== "the provider's end" };
  return page.evaluate(
    async ([options, way, count]) => {
      const abort = new AbortController();
      const one = async () => {
        const stream: Stream<LogEntry> = client.streamLogs({ ...options, signal: abort.signal });
        const entries = stream[Symbol.asyncIterator]();
        await entries.next();
        if (way === "the provider's end") for (; !(await entries.next()).done; );
        else if (way === "break") await entries.return?.();
        else if (way === "close") await stream.close();
      };
      await Promise.all(Array.from({ length: count }, one));
      if (way === "abort") abort.abort();
      if (way === "cleanupConnections") await client.cleanupConnections();
    },
    [options, way, count] as const,
  );
}

/** The bridge's open resources, once the provider has no open stream. */
async function rest(): Promise<{ goroutines: number; sockets: number }> {
  await until("no stream is left at the provider", 1_000, async () => {
    return (await stage.fake.open(serviceLogs)) === 0;
  });
  const metric = await metricsOf(stage.url);
  return { goroutines: metric("go_goroutines"), sockets: metric("process_open_fds") };
}

describe.each<[Transport, number, Way[]]>([
  ["websocket", 20, ways],
  // A browser makes six requests at a time.
  ["fetch", 5, long ? ways : ["break", "the provider's end"]],
])("over %s", (transport, atOnce, ways) => {
  test.each(ways)(
    `${streams} streams that end by %s leave nothing behind`,
    {
      timeout: 600_000,
    },
    async (way) => {
      let page = await stage.page("module", { transport });
      const some = async () => {
        await run(page, way, atOnce);
        if (way !== "a closed tab") return;
        await page.close();
        page = await stage.page("module", { transport });
      };
      await some();
      const before = await rest();
      let idle = 0;
      for (let n = 0; n < streams; n += atOnce) {
        await some();
        if (way === "a closed tab") idle += kept;
      }
      const after = await until("the bridge is at rest", 10_000, async () => {
        const now = await rest();
        const over =
          now.goroutines <= before.goroutines + noise.goroutines + idle &&
          now.sockets <= before.sockets + noise.sockets + idle;
        return over && now;
      }).catch(async (error) => {
        throw new Error(`${error.message}: ${JSON.stringify([before, await rest()])}`);
      });
      console.log(
        `${streams} streams over ${transport} ended by ${way}:`,
        `goroutines of the bridge ${before.goroutines} → ${after.goroutines},`,
        `its files and sockets ${before.sockets} → ${after.sockets}`,
      );
      await page.close();
      expect(streams).toBeGreaterThan(noise.goroutines + idle);
    },
  );
});
