// More streams over HTTP/1.1 than the browser allows sockets.

import { afterAll, beforeAll, expect, test } from "vitest";
import { Stage, serviceLogs, until } from "../e2e/harness.js";
import { getProviderStatus } from "../e2e/page.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--log-lines", "50"] });
});
afterAll(() => stage?.close());

test("one log more than the browser allows sockets fails with the reason, and calls go on", {
  timeout: 120_000,
}, async () => {
  const { fake } = stage;
  const { provider, lease, auth } = fake;
  const page = await stage.page("module");
  const { streams, reason, took } = await page.evaluate(
    async (options) => {
      // Kept, so that they stay open.
      const open: unknown[] = [];
      for (;;) {
        const start = performance.now();
        const entries = client.streamLogs(options)[Symbol.asyncIterator]();
        try {
          await entries.next();
          open.push(entries);
        } catch (error) {
          const took = performance.now() - start;
          Object.assign(globalThis, { open });
          return { streams: open.length, reason: (error as { reason?: string }).reason, took };
        }
      }
    },
    { provider, lease, follow: true, auth: auth.jwt },
  );
  console.log(`${streams} logs are followed; one more fails after ${Math.round(took)} ms`);
  expect(reason).toBe("tooManyStreams");
  expect(streams).toBeGreaterThanOrEqual(190);
  expect(await fake.open(serviceLogs)).toBe(streams);

  const calls = Array.from({ length: 10 }, () => getProviderStatus(page, provider, { retries: 0 }));
  for (const { error } of await Promise.all(calls)) expect(error).toBeUndefined();
  await page.evaluate("client.cleanupConnections()");
  await until("no stream is left", 5_000, async () => (await fake.open(serviceLogs)) === 0);
});
