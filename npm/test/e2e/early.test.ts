// Calls that a page makes while the module still loads.
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { root, Stage, streamStatus, until } from "./harness.js";

const wasm = readFileSync(join(root, "npm/dist/akash-provider-web.wasm"));

let stage: Stage;
let server: Server;
let wasmUrl: string;
/** Sends the rest of the modules that have been asked for. */
let arrive: () => void;

beforeAll(async () => {
  stage = await Stage.open();
  const held: (() => void)[] = [];
  arrive = () => {
    for (const send of held.splice(0)) send();
  };
  server = createServer((_, response) => {
    response.setHeader("Content-Type", "application/wasm");
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.write(wasm.subarray(0, wasm.length / 2));
    held.push(() => response.end(wasm.subarray(wasm.length / 2)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  wasmUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/held.wasm`;
});
afterEach(() => stage.closePages());
afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
  await stage?.close();
});

declare global {
  /** What the page's call returned. */
  var outcome: Promise<string>;
}

describe.each([false, true])("worker: %s", (worker) => {
  test("a status is asked for before the module is there, and once", async () => {
    const page = await stage.page("module", { wasmUrl, worker });
    const asked = async () =>
      (await stage.fake.requests()).filter(({ method }) => method.endsWith("/GetStatus")).length;
    const before = await asked();
    await page.evaluate((provider) => {
      globalThis.outcome = client
        .getProviderStatus(provider)
        .then(({ status, attempts }) => `${status} ${attempts}`);
    }, stage.fake.provider);
    await until("the provider is asked", 10_000, async () => (await asked()) > before);
    arrive();
    expect(await page.evaluate("outcome")).toBe("success 1");
    expect(await asked()).toBe(before + 1);
  });

  test.each(["fetch", "websocket"] as const)(
    "a stream of statuses opens before the module is there, over %s",
    async (transport) => {
      const page = await stage.page("module", { wasmUrl, worker });
      await page.evaluate(
        ([provider, transport]) => {
          const stream = client.streamProviderStatus(provider, { transport });
          globalThis.outcome = (async () => {
            for await (const { cluster } of stream) return `${cluster?.leases?.active}`;
            return "nothing";
          })();
        },
        [stage.fake.provider, transport] as const,
      );
      await until(
        "the stream opens",
        10_000,
        async () => (await stage.fake.open(streamStatus)) > 0,
      );
      arrive();
      const { cluster } = await stage.fake.status();
      expect(await page.evaluate("outcome")).toBe(`${cluster.leases.active}`);
      await until("the stream is left", 10_000, async () => !(await stage.fake.open(streamStatus)));
    },
  );
});
