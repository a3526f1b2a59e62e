// The start, end and failures of a worker. Other tests run in a page and in a worker,
// and so check that both behave the same.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Client, ClientOptions } from "../../src/index.js";
import {
  evaluateInWorker,
  type Flavour,
  inOpenWorker,
  openWorker,
  Stage,
  serviceLogs,
  until,
  workersOf,
} from "./harness.js";
import { getProviderStatus } from "./page.js";

const history = 100_000;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({
    fake: ["--log-lines", String(history)],
    files: openWorker,
  });
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

const status = async (page: Page) =>
  (await getProviderStatus(page, stage.fake.provider, { retries: 0 })).status;

/** Waits until the page has the given number of workers. */
const workers = (page: Page, count: number) =>
  until(`${count} workers`, 5_000, async () => (await workersOf(page)) === count);

declare global {
  var AkashProvider: typeof import("../../src/index.js");
  var second: Client;
  /** How the page's stream failed; "" while it is open. */
  var failed: string;
}

/** Follows logs in the page, which waits for more when this returns. */
async function follow(page: Page): Promise<void> {
  const { provider, lease, jwt } = stage.fake.ready;
  await page.evaluate(
    async ([provider, lease, token, lines]) => {
      globalThis.failed = "";
      const auth = { type: "jwt", token } as const;
      const entries = client.streamLogs({ provider, lease, follow: true, auth });
      const iterator = entries[Symbol.asyncIterator]();
      for (let seen = 0; seen < lines; seen++) await iterator.next();
      iterator.next().catch(({ code, message, provider }) => {
        failed = `${code}: ${message}: ${provider}`;
      });
    },
    [provider, lease, jwt, history] as const,
  );
}

describe.each<Flavour>(["script", "module"])("the worker of a %s", (flavour) => {
  test("is shared by all clients, ends with the last of them, and starts again when needed", async () => {
    const page = await stage.page(flavour, { worker: true });
    await workers(page, 1);
    await page.evaluate(async (bridgeUrl) => {
      globalThis.second = await AkashProvider.createClient({ bridgeUrl, worker: true });
    }, stage.url);
    await follow(page);
    expect(await workersOf(page)).toBe(1);

    expect(await page.evaluate("client.cleanupConnections()")).toMatchObject({ closedChannels: 1 });
    await until(
      "the stream is cancelled",
      1_000,
      async () => !(await stage.fake.open(serviceLogs)),
    );
    expect(await workersOf(page)).toBe(1);
    expect(await status(page)).toBe("success");
    await page.evaluate("client.cleanupConnections()");
    await page.evaluate("second[Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]()");
    await workers(page, 0);

    expect(await status(page)).toBe("success");
    expect(await workersOf(page)).toBe(1);
  });

  test.each([
    ["ends", "setTimeout(() => close())", /ended/],
    ["throws", "setTimeout(() => { throw new Error('out of order') })", /out of order/],
  ])("that %s fails what goes on, clearly; the next call starts another", async (_, code, says) => {
    const page = await stage.page(flavour, inOpenWorker);
    await follow(page);
    await evaluateInWorker(page, `void ${code}`);
    const error = await until("the stream fails", 5_000, () =>
      page.evaluate(() => failed || undefined),
    );
    expect(error).toMatch(/^INTERNAL: the worker has crashed/);
    expect(error).toMatch(says);
    expect(error).toContain(stage.fake.provider);
    await until(
      "the stream is cancelled",
      1_000,
      async () => !(await stage.fake.open(serviceLogs)),
    );

    expect(await Promise.all([status(page), status(page)])).toEqual(["success", "success"]);
    await workers(page, 1);
  });
});

test("a page can run between the batches of a long log", async () => {
  const page = await stage.page("module", { worker: true });
  const { provider, lease, jwt } = stage.fake.ready;
  const { lines, batches, turns } = await page.evaluate(
    async ([provider, lease, token]) => {
      const { port1, port2 } = new MessageChannel();
      let turns = 0;
      port1.onmessage = () => {
        turns++;
        port2.postMessage(null);
      };
      port2.postMessage(null);
      const auth = { type: "jwt", token } as const;
      let lines = 0;
      let batches = 0;
      for await (const batch of client.streamLogs({ provider, lease, auth }).batches()) {
        lines += batch.length;
        batches++;
      }
      port1.close();
      return { lines, batches, turns };
    },
    [provider, lease, jwt] as const,
  );
  expect(lines).toBeGreaterThanOrEqual(history);
  expect(lines / batches).toBeLessThan(10_000);
  expect(turns).toBeGreaterThanOrEqual(batches / 4); // So many may wait for the page.
});

// A static page of another origin than the bridge's, which serves its script.
describe("a page", () => {
  let server: Server;
  let policy: string;
  let integrity: string;

  beforeAll(async () => {
    server = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.setHeader("Content-Security-Policy", policy);
      response.end(`<!doctype html><script src="${stage.url}/akash-provider-web.min.js"
        ${integrity && `integrity="${integrity}" crossorigin`}></script>`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => void server?.close());

  /** The result of creating a client in a page with the policy. */
  async function outcome(directive: string, options: ClientOptions = {}): Promise<string> {
    policy = `default-src 'none'; script-src ${stage.url} 'wasm-unsafe-eval'; connect-src ${stage.url}${directive}`;
    const page = await stage.browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return page.evaluate(
      ([options, provider]) =>
        AkashProvider.createClient({ ...options, worker: true }).then(
          async (client) => (await client.getProviderStatus(provider)).status,
          ({ code, message }) => `${code}: ${message}`,
        ),
      [{ bridgeUrl: stage.url, ...options }, stage.fake.provider] as const,
    );
  }

  test("needs permission for workers, and the error says so", async () => {
    integrity = "";
    const refused = await outcome("");
    expect(refused).toMatch(/^UNAVAILABLE: cannot start a worker .*worker-src blob:/);
    expect(refused).toContain(`${stage.url}/akash-provider-web.min.js`);
    expect(await outcome("; worker-src blob:")).toBe("success");
  });

  test("with the script's hash also verifies its worker", async () => {
    const hashes = await (await fetch(`${stage.url}/sri.json`)).json();
    integrity = hashes["akash-provider-web.min.js"];
    expect(await outcome("; worker-src blob:")).toBe("success");
  });

  test("gets an error with the URL of a missing worker", async () => {
    integrity = "";
    const workerUrl = `${stage.url}/nowhere.js`;
    const failed = await outcome(`; worker-src blob: ${stage.url}`, { workerUrl });
    expect(failed).toMatch(/^UNAVAILABLE: cannot start a worker /);
    expect(failed).toContain(workerUrl);
  });
});
