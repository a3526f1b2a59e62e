// The id of a call's request, with which an operator finds it in the bridge's log.

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Transport } from "../../src/index.js";
import { Stage, until } from "./harness.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

/** An address that is not on the chain. */
const unknown = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv";

/** Expects one line of the log about a request, which has all texts. */
async function expectLogged(id: string | undefined, ...texts: string[]): Promise<void> {
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  const lines = () =>
    stage
      .errors()
      .split("\n")
      .filter((line) => line.includes(`requestId=${id}`));
  await until("the call is logged", 5_000, async () => lines().length > 0);
  expect(lines()).toHaveLength(1);
  for (const text of [...texts, "client=127.0.0.1", "origin=http"])
    expect(lines()[0]).toContain(text);
}

test.each<[Transport, boolean, string]>([
  ["fetch", false, "grpc-web"],
  ["fetch", true, "grpc-web"],
  ["websocket", false, "websocket"],
  ["websocket", true, "websocket"],
])(
  "an error over %s, worker: %s, leads to the bridge's log",
  async (transport, worker, protocol) => {
    const page = await stage.page("module", { transport, worker });
    const unary = await page.evaluate(
      async (unknown) => (await client.getProviderStatus(unknown, { retries: 0 })).error?.requestId,
      unknown,
    );
    await expectLogged(unary, "reason=unknownProvider");
    const stream = await page.evaluate(async (unknown) => {
      try {
        for await (const _ of client.streamProviderStatus(unknown)) break;
      } catch (error) {
        return (error as { requestId?: string }).requestId;
      }
    }, unknown);
    expect(stream).not.toBe(unary);
    await expectLogged(stream, `protocol=${protocol}`, "reason=unknownProvider");
  },
);

test("the id is that of the page's trace", async () => {
  const page = await stage.dashboard();
  const found = await page.evaluate(async (unknown) => {
    const { AkashProvider } = globalThis as unknown as {
      AkashProvider: typeof import("../../src/index.js");
    };
    const ids: unknown[] = [];
    for (const transport of ["fetch", "websocket"] as const) {
      for (const worker of [false, true]) {
        const traceId = crypto.randomUUID().replaceAll("-", "");
        const client = await AkashProvider.createClient({
          transport,
          worker,
          traceparent: () => `00-${traceId}-00f067aa0ba902b7-01`,
        });
        const { error } = await client.getProviderStatus(unknown, { retries: 0 });
        const stream = client.streamProviderStatus(unknown)[Symbol.asyncIterator]();
        const ended = await stream.next().catch((error) => error);
        ids.push([traceId === error?.requestId, traceId === ended.requestId]);
      }
    }
    return ids;
  }, unknown);
  expect(found).toEqual(Array(4).fill([true, true]));
});

test("an error without an answer has no id", async () => {
  const page = await stage.page("module", { bridgeUrl: "http://127.0.0.1:1", retries: 0 });
  const error = await page.evaluate(async (unknown) => {
    const { error } = await client.getProviderStatus(unknown);
    return { reason: error?.reason, requestId: error?.requestId };
  }, unknown);
  expect(error).toEqual({ reason: "bridgeUnreachable", requestId: undefined });
});

test("the dashboard shows the id", async () => {
  const page = await stage.dashboard({ provider: unknown });
  const notice = page.locator("#status-notice .notice");
  await notice.waitFor();
  const [, id] = /request ([0-9a-f]{32})/.exec(await notice.innerText()) ?? [];
  await expectLogged(id, "reason=unknownProvider");
});
