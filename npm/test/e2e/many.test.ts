// More streams than the six requests to a host that a browser makes over HTTP/1.1.

import { afterAll, beforeAll, expect, test } from "vitest";
import { browserName, Stage, serviceLogs, until } from "./harness.js";
import { getProviderStatus } from "./page.js";

/** The number of streams in one page. WebKitGTK allows it 199 sockets. */
const streams = browserName === "webkit" ? 190 : 200;

/** The number of history lines that each of them gets, of all replicas together. */
const history = 300;

declare global {
  /** What each stream of the page has delivered so far. */
  var many: { lines: number; ended: string }[];
}

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--log-lines", `${history}`] });
});
afterAll(() => stage?.close());

test(`${streams} logs are followed in one page over HTTP/1.1, and calls stay quick`, async () => {
  const { fake } = stage;
  const { provider, lease } = fake;
  const auth = fake.auth.jwt;
  const page = await stage.page("module");
  const start = performance.now();
  await page.evaluate(
    ([provider, lease, auth, streams]) => {
      globalThis.many = Array.from({ length: streams }, () => {
        const state = { lines: 0, ended: "" };
        const stream = client.streamLogs({ provider, lease, follow: true, auth });
        const run = async () => {
          for await (const batch of stream.batches()) state.lines += batch.length;
        };
        run().then(
          () => {
            state.ended = "well";
          },
          (error) => {
            state.ended = error.message;
          },
        );
        return state;
      });
    },
    [provider, lease, auth, streams] as const,
  );
  const calls: number[] = [];
  const ask = async () => {
    const result = await getProviderStatus(page, provider, { retries: 0, timeoutMs: 10_000 });
    expect(result.error).toBeUndefined();
    calls.push(result.took);
  };
  /** Waits until every stream has the given number of lines, and calls the provider meanwhile. */
  const seen = async (want: number) => {
    await until(`${want} lines in each of ${streams} streams`, 40_000, async () => {
      await ask();
      const { done, ended } = await page.evaluate((want) => {
        const done = many.filter(({ lines }) => lines >= want).length;
        return { done, ended: many.find(({ ended }) => ended)?.ended };
      }, want);
      if (ended) throw new Error(`a stream ended: ${ended}`);
      return done === streams;
    });
    expect(new Set(await page.evaluate(() => many.map(({ lines }) => lines)))).toEqual(
      new Set([want]),
    );
  };

  const logs = await fake.logs();
  const total = logs.reduce((lines, log) => lines + log.lines, 0);
  await seen(total);
  const took = performance.now() - start;
  expect(await fake.open(serviceLogs)).toBe(streams);

  for (let i = 0; i < 5; i++) await ask();
  for (const log of logs) await fake.write(log, "tick\n");
  await seen(total + logs.length);
  console.log(
    `${streams} streams over HTTP/1.1: all open and ${streams * total} lines read after`,
    `${Math.round(took)} ms; ${calls.length} calls meanwhile took up to`,
    `${Math.round(Math.max(...calls))} ms`,
  );

  await page.evaluate("client.cleanupConnections()");
  await until("no stream is left", 1_000, async () => (await fake.open(serviceLogs)) === 0);
});

test("if the page's Content-Security-Policy blocks WebSockets, streams use fetch, or fail with the reason", async () => {
  const { provider, lease, auth } = stage.fake;
  const page = await stage.page("module");
  const first = await page.evaluate(
    async ([bridge, options]) => {
      const policy = document.createElement("meta");
      policy.httpEquiv = "Content-Security-Policy";
      policy.content = `connect-src ${bridge}`;
      document.head.append(policy);
      const message = async (transport: "auto" | "websocket") => {
        for await (const { message } of client.streamLogs({ ...options, transport }))
          return message;
        return "";
      };
      const refused = await message("websocket").catch(({ code, reason, message }) => ({
        code,
        reason,
        message,
      }));
      return { taken: await message("auto"), refused };
    },
    [stage.url, { provider, lease, auth: auth.jwt, follow: true }] as const,
  );
  expect(first.taken).not.toBe("");
  expect(first.refused).toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "webSocketUnavailable",
    message: expect.stringContaining("Content-Security-Policy"),
  });
  await page.close();
});
