// Calls that are made while the module still loads.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Client } from "../../src/client.js";
import { createClientFrom } from "../../src/client.js";
import type { ClientOptions } from "../../src/index.js";
import { type Answer, answer, fakeBridge, frame, refusal, trailers } from "./bridge.js";
import { FakeWorker } from "./fake-worker.js";
import { wasmModule } from "./module.js";
import { makeToken } from "./token.js";

const bytes = readFileSync(new URL("../../dist/akash-provider-web.wasm", import.meta.url));
const provider = "akash1provider";
const lease = { owner: "akash1owner", dseq: 1 };
const status = answer([frame(new Uint8Array()), trailers()]);
const bridgeUrl = "https://bridge.example/below";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

let urls = 0;

/** A client whose module arrives, or breaks off, when the test says so. */
async function loading(options: ClientOptions = {}) {
  const url = new URL(`https://page.example/${urls++}.wasm`);
  const bodies: ReadableStreamDefaultController<Uint8Array>[] = [];
  const client = await createClientFrom(
    { bridgeUrl, retries: 0, ...options },
    {
      url: () => url,
      fetch: async () => {
        const body = new ReadableStream({ start: (controller) => void bodies.push(controller) });
        return new Response(body, { headers: { "content-type": "application/wasm" } });
      },
      worker: () => ({ url, type: "module" }),
    },
  );
  const arrive = () => {
    for (const body of bodies.splice(0)) {
      body.enqueue(bytes);
      body.close();
    }
  };
  const breakOff = () => {
    for (const body of bodies.splice(0)) body.error(new TypeError("network error"));
  };
  return { client, arrive, breakOff };
}

/** A client whose module runs. */
async function running(options: ClientOptions = {}): Promise<Client> {
  const client = await createClientFrom(
    { bridgeUrl, retries: 0, wasmModule, ...options },
    {
      url: () => new URL("https://page.example/"),
      worker: () => ({ url: new URL("https://page.example/"), type: "module" }),
    },
  );
  const { requests } = fakeBridge(status);
  await client.getProviderStatus(provider);
  expect(requests).toHaveLength(1);
  return client;
}

/** The request as the bridge gets it. */
function sent({ requests: [request] }: ReturnType<typeof fakeBridge>) {
  if (!request) throw new Error("no request was sent");
  const { url, headers, body } = request;
  return { url, headers: [...headers], body: [...body] };
}

const traceparent = () => "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

describe("the request that leaves early is the module's", () => {
  const settings: ClientOptions[] = [
    {},
    { timeoutMs: Number.POSITIVE_INFINITY, heartbeatMs: 1_500 },
    { timeoutMs: 1_234, heartbeatMs: 61_007, bridgeKey: "a key", traceparent },
    { timeoutMs: 2 ** 31 - 1, heartbeatMs: false },
  ];
  const calls = [{}, { insecure: true }, { checkVersion: false, insecure: true }];
  const methods = {
    getProviderStatus: (client: Client, options: object) =>
      client.getProviderStatus(provider, options),
    streamProviderStatus: (client: Client, options: object) =>
      client.streamProviderStatus(provider, options).batches().next(),
  };
  const table = Object.entries(methods).flatMap(([name, call]) =>
    settings.flatMap((settings) => calls.map((options) => ({ name, call, settings, options }))),
  );
  test.each(table)("$name with $settings and $options", async ({ call, settings, options }) => {
    const late = await running(settings);
    const expected = fakeBridge(answer([frame(new Uint8Array([8, 1])), trailers()]));
    await call(late, options);
    await late.cleanupConnections();

    const { client, arrive } = await loading(settings);
    const got = fakeBridge(answer([frame(new Uint8Array([8, 1])), trailers()]));
    const result = call(client, options);
    await vi.waitFor(() => sent(got));
    expect(sent(got)).toEqual(sent(expected));
    arrive();
    await result;
    await client.cleanupConnections();
    expect(got.requests).toHaveLength(1); // the module has taken it over
  });
});

test("it also leaves from a worker that has no module yet", async () => {
  vi.stubGlobal("Worker", FakeWorker);
  const { client, arrive } = await loading({ worker: true });
  const { requests } = fakeBridge(status);
  const call = client.getProviderStatus(provider);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  arrive();
  expect(await call).toMatchObject({ status: "success", attempts: 1 });
  expect(requests).toHaveLength(1);
  await client.cleanupConnections();
});

test("the answer is there before the module, however long that takes", async () => {
  const { client, arrive } = await loading({ timeoutMs: 100 });
  const { requests } = fakeBridge(status);
  const call = client.getProviderStatus(provider);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  const now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => now + 60_000);
  arrive();
  expect(await call).toMatchObject({ status: "success", attempts: 1 });
  expect(requests).toHaveLength(1);
});

test("the time until the module runs is part of the attempt's", async () => {
  const { client, arrive } = await loading({ timeoutMs: 60_000 });
  const { requests } = fakeBridge(() => undefined);
  const call = client.getProviderStatus(provider);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  const now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => now + 60_000);
  arrive();
  const message = `provider ${provider}: no answer within 60000 ms`;
  expect(await call).toMatchObject({ error: { code: "DEADLINE_EXCEEDED", message }, attempts: 1 });
  expect(requests[0]?.signal.aborted).toBe(true);
});

test.each<[string, Answer, Answer]>([
  ["refused", refusal(14, "starting"), status],
  [
    "broken",
    () => new Response("x", { headers: { "content-type": "application/grpc-web" } }),
    status,
  ],
  ["no bridge's", () => new Response("no", { status: 503 }), status],
])("a %s answer is retried by the module", async (_, first, second) => {
  const { client, arrive } = await loading({ retries: 1 });
  vi.spyOn(Math, "random").mockReturnValue(0);
  const { requests } = fakeBridge(first, second);
  const call = client.getProviderStatus(provider);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  arrive();
  expect(await call).toMatchObject({ status: "success", attempts: 2 });
  expect(requests).toHaveLength(2);
});

test("a call that is stopped before the module is there ends at once, as otherwise", async () => {
  const outcomes = [];
  for (const late of [true, false]) {
    const { client } = late ? { client: await running() } : await loading();
    const { requests } = fakeBridge(() => undefined);
    const signal = new AbortController();
    const calls = [
      client.getProviderStatus(provider, { signal: signal.signal }),
      client.getProviderStatus(provider),
    ];
    const stream = client.streamProviderStatus(provider).batches();
    const read = stream.next().catch(({ code, message }) => ({ code, message }));
    await vi.waitFor(() => expect(requests).toHaveLength(3));
    signal.abort("enough");
    const first = await calls[0];
    expect(await client.cleanupConnections()).toMatchObject({ closedChannels: 2 });
    const results = [first, await calls[1]].map((result) => {
      if (result?.status !== "error") throw new Error("the call was not stopped");
      const { code, message, attempts, cause } = result.error;
      return { code, message, cause, attempts, all: result.attempts };
    });
    outcomes.push([...results, await read]);
    expect(requests.map(({ signal }) => signal.aborted)).toEqual([true, true, true]);
  }
  expect(outcomes[1]).toEqual(outcomes[0]);
});

test("a module that breaks off fails the call, and the next call loads it again", async () => {
  const { client, arrive, breakOff } = await loading();
  const { requests } = fakeBridge(() => undefined, status);
  const call = client.getProviderStatus(provider);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  breakOff();
  const message = expect.stringMatching(/^cannot load .*: the connection broke$/);
  expect(await call).toMatchObject({
    error: { code: "UNAVAILABLE", message, provider },
    attempts: 0,
  });
  expect(requests[0]?.signal.aborted).toBe(true);
  const next = client.getProviderStatus(provider);
  await vi.waitFor(() => expect(requests).toHaveLength(2));
  arrive();
  expect(await next).toMatchObject({ status: "success" });
});

describe("waits for the module:", () => {
  const auth = { type: "jwt", token: makeToken(900_000, { access: "full" }) } as const;
  const destination = { dseq: 1 };
  const calls: Record<string, (client: Client) => Promise<unknown>> = {
    "a stream with a token": (client) =>
      client.streamLogs({ provider, lease, auth }).batches().next(),
    "a token that is asked for": (client) =>
      client.getManifest({ provider, lease, auth: { type: "jwt", getToken: () => auth.token } }),
    "a client certificate": (client) =>
      client.getManifest({ provider, lease, auth: { type: "mtls", certPem: "c", keyPem: "k" } }),
    "a call about a lease": (client) =>
      client.streamServiceStatus({ provider, lease }).batches().next(),
    "a manifest": (client) => client.sendManifest({ provider, dseq: 1n, manifest: [], auth }),
    "a restart": (client) => client.restartServices({ provider, lease, auth }),
    "a migration": (client) =>
      client.hostnameMigrate({ provider, hostnames: ["a.example"], destination, auth }),
    "what a header cannot hold": (client) => client.getProviderStatus(provider),
  };
  test.each(Object.entries(calls))("%s", async (name, call) => {
    const options = name.startsWith("what") ? { bridgeKey: "\u00e9" } : {};
    const { client, arrive } = await loading(options);
    vi.spyOn(console, "warn").mockImplementation(() => {}); // about the token
    const { requests, warmed } = fakeBridge(refusal(7, "no"));
    const result = call(client).catch(() => {});
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(requests).toHaveLength(0);
    // Meanwhile the bridge connects to the provider, without the credential.
    expect(warmed.map(({ url, headers }) => [url, [...headers]])).toEqual(
      name.startsWith("what")
        ? []
        : [
            [
              `${bridgeUrl}/akash.provider.v1.ProviderRPC/GetStatus`,
              [
                ["akash-provider", provider],
                ["akash-warm", "true"],
                ["content-type", "application/grpc-web+proto"],
                ["grpc-timeout", expect.stringMatching(/^\d+m$/)],
                ["x-grpc-web", "1"],
              ],
            ],
          ],
    );
    arrive();
    await result;
    expect(requests).toHaveLength(name.startsWith("what") ? 0 : 1);
  });
});

describe("warm", () => {
  const addresses = (count: number) => Array.from({ length: count }, (_, i) => `akash1p${i}`);

  test("asks the bridge for each provider, a few at a time, without the module", async () => {
    const { client } = await loading({ bridgeKey: "a key" });
    let open = 0;
    let most = 0;
    const asked: (string | null)[] = [];
    vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
      const headers = new Headers(init.headers);
      expect(headers.get("akash-warm")).toBe("true");
      expect(headers.get("akash-bridge-key")).toBe("a key");
      asked.push(headers.get("akash-provider"));
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
      if (asked.length % 3 === 0) throw new TypeError("Failed to fetch");
      return new Response(null, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    expect(await client.warm(addresses(20))).toBeUndefined();
    expect(asked).toEqual(addresses(20));
    expect(most).toBe(4);
  });

  test("is bounded, checks its arguments, and ends with the client's calls", async () => {
    const { client } = await loading();
    const signals: AbortSignal[] = [];
    vi.stubGlobal("fetch", (_url: string, { signal }: RequestInit) => {
      signals.push(signal as AbortSignal);
      return new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason)),
      );
    });
    await expect(client.warm(addresses(101))).rejects.toThrow(/at most 100 providers/);
    await expect(client.warm([1] as never)).rejects.toThrow(TypeError);
    await client.warm(["akash1…"]); // a placeholder
    expect(signals).toHaveLength(0);
    const warming = client.warm(addresses(20));
    await vi.waitFor(() => expect(signals).toHaveLength(4));
    expect(await client.cleanupConnections()).toMatchObject({ closedChannels: 1 });
    await warming;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true, true]);
  });
});
