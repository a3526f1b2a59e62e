import { beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../src/client.js";
import { createClient } from "../../src/index.js";
import type { Auth } from "../../src/public.js";
import { readCall, readClientOptions, readLeaseCall } from "../../src/validation.js";
import { wasmModule } from "./module.js";

const settings = {
  bridge: "https://bridge.example",
  timeoutMs: 30_000,
  retries: 3,
  heartbeat: 15_000,
  transport: "auto" as const,
};
const provider = "akash1provider";
const lease = { owner: "akash1owner", dseq: 1 };

describe("bridgeUrl", () => {
  test.each([
    ["https://bridge.example", "https://bridge.example"],
    ["https://bridge.example/", "https://bridge.example"],
    ["https://bridge.example/under/here//?a#b", "https://bridge.example/under/here"],
    [new URL("http://127.0.0.1:8080"), "http://127.0.0.1:8080"],
  ])("%s is %s", (bridgeUrl, bridge) => {
    expect(readClientOptions({ bridgeUrl })).toEqual({ ...settings, bridge });
  });

  test.each([
    [undefined, "bridgeUrl is required outside a web page"],
    [5, "bridgeUrl must be a string or a URL, not number"],
    ["bridge.example", "bridgeUrl is not a URL: bridge.example"],
    ["ftp://bridge.example", "bridgeUrl must begin with http: or https:, not ftp:"],
  ])("%s is refused", (bridgeUrl, message) => {
    expect(() => readClientOptions({ bridgeUrl } as never)).toThrow(new TypeError(message));
  });
});

describe("transport", () => {
  const bridgeUrl = "https://bridge.example";

  test.each(["auto", "fetch", "websocket"] as const)("%s is taken", (transport) => {
    expect(readClientOptions({ bridgeUrl, transport }).transport).toBe(transport);
  });

  test.each(["", "WebSocket", "ws", null, true])("%s is refused", async (transport) => {
    const refused = /^transport must be "auto", "fetch" or "websocket", not /;
    expect(() => readClientOptions({ bridgeUrl, transport } as never)).toThrow(refused);
    const client = await createClient({ bridgeUrl, wasmModule });
    const options = { provider, lease, transport } as never;
    expect(() => client.streamLogs(options)).toThrow(TypeError);
    expect(() => client.streamProviderStatus(provider, options)).toThrow(refused);
  });
});

describe("dseq", () => {
  test.each([
    [0, "0"],
    [1234n, "1234"],
    ["18446744073709551615", "18446744073709551615"],
    [(1n << 64n) - 1n, "18446744073709551615"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
    ["007", "7"],
  ])("%s is %s", (dseq, digits) => {
    expect(readLeaseCall(settings, { provider, lease: { ...lease, dseq } }).dseq).toBe(digits);
  });

  test.each([
    -1,
    1.5,
    Number.NaN,
    2 ** 53,
    -1n,
    1n << 64n,
    "18446744073709551616",
    "1e3",
    " 1",
    "",
    "0x1",
    null,
    undefined,
    {},
    true,
  ])("%s is refused", (dseq) => {
    expect(() => readLeaseCall(settings, { provider, lease: { ...lease, dseq } as never })).toThrow(
      /^lease.dseq must be a whole number from 0 to 2\^64-1/,
    );
  });
});

test("a call has the client's settings where it has none of its own", () => {
  expect(readCall(settings, provider)).toEqual({
    bridge: "https://bridge.example",
    provider,
    transport: "fetch",
    timeout: 30_000,
    retries: 3,
    heartbeat: 15_000,
    reconnect: true,
    insecure: false,
    skipVersion: false,
  });
  expect(
    readCall(settings, provider, {
      timeoutMs: 0.5,
      retries: 0,
      insecure: true,
      checkVersion: false,
    }),
  ).toMatchObject({ timeout: 1, retries: 0, insecure: true, skipVersion: true });
  expect(readCall(settings, provider, { timeoutMs: Number.POSITIVE_INFINITY }).timeout).toBe(0);
});

test("a lease's parts have their defaults", () => {
  expect(readLeaseCall(settings, { provider, lease })).toMatchObject({
    owner: "akash1owner",
    dseq: "1",
    gseq: 1,
    oseq: 1,
    bseq: 0,
    leaseProvider: provider,
    follow: false,
  });
  const all = { ...lease, gseq: 2, oseq: 3, bseq: 4, provider: "akash1other" };
  const filter = { name: "web", replicas: [0, 2] };
  expect(
    readLeaseCall(settings, { provider, lease: all, filter, follow: true, tail: 0 }),
  ).toMatchObject({
    gseq: 2,
    oseq: 3,
    bseq: 4,
    leaseProvider: "akash1other",
    service: "web",
    replicas: [0, 2],
    follow: true,
    tail: 0,
  });
});

describe("arguments of the wrong type are a TypeError", () => {
  let client: Client;
  beforeAll(async () => {
    client = await createClient({ bridgeUrl: "https://bridge.example", wasmModule });
  });

  test.each([
    [{ timeoutMs: 0 }, /^timeoutMs/],
    [{ timeoutMs: -1 }, /^timeoutMs/],
    [{ timeoutMs: "5" }, /^timeoutMs/],
    [{ timeoutMs: 2 ** 31 }, /^timeoutMs/],
    [{ retries: -1 }, /^retries/],
    [{ retries: 1.5 }, /^retries/],
    [{ retries: 101 }, /^retries/],
    [{ insecure: 1 }, /^insecure/],
    [{ checkVersion: "false" }, /^checkVersion/],
    [{ signal: {} }, /^signal/],
    [null, /^options/],
  ])("%o", async (options, message) => {
    await expect(client.getProviderStatus(provider, options as never)).rejects.toThrow(message);
    await expect(client.getProviderStatus(provider, options as never)).rejects.toThrow(TypeError);
    expect(() => client.streamProviderStatus(provider, options as never)).toThrow(message);
  });

  test.each([undefined, null, 5, "", {}])("the address %o", async (address) => {
    await expect(client.getProviderStatus(address as never)).rejects.toThrow(/^provider must be/);
    expect(() => client.discoverProviders([address as never])).toThrow(/^provider must be/);
  });

  test.each([
    [{ lease: undefined }, /^lease must be an object/],
    [{ lease: { dseq: 1 } }, /^lease.owner/],
    [{ lease: { ...lease, gseq: -1 } }, /^lease.gseq/],
    [{ lease: { ...lease, provider: 5 } }, /^lease.provider/],
    [{ filter: "web" }, /^filter must be/],
    [{ filter: { name: 5 } }, /^filter.name/],
    [{ filter: { replicas: 0 } }, /^filter.replicas/],
    [{ filter: { replicas: ["0"] } }, /^filter.replicas/],
    [{ filter: { replicas: [undefined] } }, /^filter.replicas/],
    [{ follow: "yes" }, /^follow/],
    [{ tail: -1 }, /^tail/],
    [{ auth: "token" }, /^auth must be/],
    [{ auth: { type: "jwt" } }, /^auth.token/],
    [{ auth: { type: "mtls", certPem: "c" } }, /^auth.keyPem/],
    [{ auth: { type: "basic" } }, /^auth.type/],
    [{ auth: { type: "jwt", token: "t", getToken: (): string => "t" } }, /^auth must hold one/],
    [{ auth: { type: "jwt", token: "t", certPem: "c", keyPem: "k" } }, /^auth must hold one/],
    [{ auth: { type: "mtls", getToken: (): string => "t", keyPem: "k" } }, /^auth must hold one/],
  ])("%o", (options, message) => {
    expect(() => client.streamLogs({ provider, lease, ...options } as never)).toThrow(message);
    expect(() => client.streamLogs({ provider, lease, ...options } as never)).toThrow(TypeError);
  });

  test.each([0, -1, 1.5, "2", Number.NaN])("a concurrency of %o", (concurrency) => {
    expect(() => client.discoverProviders([], { concurrency } as never)).toThrow(/^concurrency/);
  });
});

test("an error about a secret does not show it", () => {
  const auth = { type: "mtls", certPem: "secret certificate", keyPem: 12345 } as never;
  expect(() => readLeaseCall(settings, { provider, lease, auth })).toThrow(
    new TypeError("auth.keyPem must be a string, not number"),
  );
});

test("a credential is one of three, by its type", () => {
  const token = "t";
  const pair = { certPem: "c", keyPem: "k" };
  const both: Auth[] = [
    { type: "jwt", token },
    { type: "jwt", getToken: () => token },
    { type: "mtls", ...pair },
    // @ts-expect-error
    { type: "jwt", token, ...pair },
    // @ts-expect-error
    { type: "mtls", token, ...pair },
    // @ts-expect-error
    { type: "jwt", token, getToken: () => token },
  ];
  const taken = both.map((auth) => {
    try {
      readLeaseCall(settings, { provider, lease, auth });
      return true;
    } catch {
      return false;
    }
  });
  expect(taken).toEqual([true, true, true, false, false, false]);
});
