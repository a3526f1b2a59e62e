import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Client } from "../../src/client.js";
import { createClient } from "../../src/index.js";
import {
  type Auth,
  type CallOptions,
  type LeaseId,
  type ListLeasesOptions,
  ProviderError,
} from "../../src/public.js";
import { readCall, readClientOptions, readLeaseCall, readLeaseList } from "../../src/validation.js";
import { wasmModule } from "./module.js";

const settings = {
  bridge: "https://bridge.example",
  timeoutMs: 30_000,
  retries: 3,
  heartbeat: 8_000,
  transport: "auto" as const,
};
const provider = "akash1provider";
const lease = { owner: "akash1owner", dseq: 1 };

afterEach(() => vi.unstubAllGlobals());

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
    [undefined, "bridgeUrl is required outside a web page that a server has served"],
    [5, "bridgeUrl must be a string or a URL, not number"],
    [null, "bridgeUrl must be a string or a URL, not null"],
    ["", "bridgeUrl must begin with http:// or https://, and is empty"],
    [
      "bridge.example.com:8080",
      'bridgeUrl must begin with http:// or https://, not be "bridge.example.com:8080": did you mean "https://bridge.example.com:8080"?',
    ],
    [
      "localhost:8080",
      'bridgeUrl must begin with http:// or https://, not be "localhost:8080": did you mean "http://localhost:8080"?',
    ],
    [
      "127.0.0.1:8080/bridge",
      'bridgeUrl must begin with http:// or https://, not be "127.0.0.1:8080/bridge": did you mean "http://127.0.0.1:8080/bridge"?',
    ],
    [
      "ftp://bridge.example",
      'bridgeUrl must begin with http:// or https://, not be "ftp://bridge.example"',
    ],
    ["http://", 'bridgeUrl is not a URL: "http://"'],
    [
      "/bridge",
      'bridgeUrl is required outside a web page that a server has served, and must begin with http:// or https://, not be "/bridge"',
    ],
    [
      "https://<your bridge>",
      'bridgeUrl is the placeholder "https://<your bridge>": put the URL of a bridge in its place',
    ],
    [
      "https://bridge…",
      'bridgeUrl is the placeholder "https://bridge…": put the URL of a bridge in its place',
    ],
  ])("%s is refused", (bridgeUrl, message) => {
    expect(() => readClientOptions({ bridgeUrl } as never)).toThrow(new TypeError(message));
  });
});

describe("bridgeUrl in a page", () => {
  const href = "https://app.example/a/page?x";
  test.each([
    [undefined, href, "https://app.example"],
    ["/", href, "https://app.example"],
    ["/bridge/", href, "https://app.example/bridge"],
    ["./bridge", href, "https://app.example/a/bridge"],
    ["//bridge.example", href, "https://bridge.example"],
    ["/bridge", "blob:https://app.example/123", "https://app.example/bridge"],
  ])("%s in %s is %s", (bridgeUrl, href, bridge) => {
    vi.stubGlobal("location", { href, origin: "https://app.example" });
    expect(readClientOptions(bridgeUrl === undefined ? {} : { bridgeUrl }).bridge).toBe(bridge);
  });

  test.each(["bridge.example.com", "127.0.0.1:8080", "bridge/"])(
    "%s is refused, not treated as a path of the page",
    (bridgeUrl) => {
      vi.stubGlobal("location", { href, origin: "https://app.example" });
      expect(() => readClientOptions({ bridgeUrl })).toThrow(/must begin with http:\/\/ or/);
    },
  );

  test.each(["about:blank", "file:///tmp/page.html"])("it is required in %s", (href) => {
    vi.stubGlobal("location", { href, origin: "null" });
    expect(() => readClientOptions({})).toThrow(/^bridgeUrl is required/);
  });
});

describe("an unknown option", () => {
  const bridgeUrl = "https://bridge.example";
  const refused = (make: () => unknown) => {
    try {
      make();
    } catch (error) {
      return `${error}`;
    }
    return undefined;
  };

  test.each([
    ["bridgeURL", "createClient has no option bridgeURL: did you mean bridgeUrl?"],
    ["bridge_url", "createClient has no option bridge_url: did you mean bridgeUrl?"],
    ["timeout", "createClient has no option timeout: did you mean timeoutMs?"],
    ["retry", "createClient has no option retry: did you mean retries?"],
    ["tail", "tail is an option of calls, not of createClient"],
    ["bridge", "createClient has no option bridge: did you mean bridgeUrl?"],
    [
      "chainRpc",
      "createClient has no option chainRpc: there are bridgeUrl, bridgeKey, traceparent, timeoutMs, retries, heartbeatMs, transport, wasmUrl, onProgress, wasmModule, worker, workerUrl",
    ],
    ["toString", expect.stringMatching("createClient has no option toString: there are ")],
  ])("%s of a client", (name, says) => {
    expect(refused(() => readClientOptions({ [name]: 1 }))).toEqual(
      typeof says === "string" ? `TypeError: ${says}` : says,
    );
    expect(refused(() => readClientOptions({ bridgeUrl, [name]: undefined }))).toBeUndefined();
  });

  test.each([
    ["timeoutMS", "calls have no option timeoutMS: did you mean timeoutMs?"],
    ["tial", "calls have no option tial: did you mean tail?"],
    ["following", "calls have no option following: did you mean follow?"],
    ["bridgeUrl", "bridgeUrl is an option of createClient, not of calls"],
  ])("%s of a call", async (name, says) => {
    const client = await createClient({ bridgeUrl, wasmModule });
    const wrong = { [name]: 1 };
    const lease_ = { provider, lease, ...wrong };
    const error = new TypeError(says);
    await expect(client.getProviderStatus(provider, wrong)).rejects.toThrow(error);
    await expect(client.getManifest(lease_)).rejects.toThrow(error);
    await expect(client.listLeases({ owner: "akash1…", ...wrong })).rejects.toThrow(error);
    await expect(client.listProviders(wrong)).rejects.toThrow(error);
    await expect(client.restartServices(lease_)).rejects.toThrow(error);
    await expect(client.sendManifest({ ...lease_, manifest: [] })).rejects.toThrow(error);
    await expect(
      client.sendManifest({ provider, dseq: 1, manifest: [], ...wrong }),
    ).rejects.toThrow(error);
    for (const open of [
      () => client.streamProviderStatus(provider, wrong),
      () => client.discoverProviders([provider], wrong),
      () => client.streamLogs(lease_),
      () => client.streamServiceStatus(lease_),
      () => client.streamLeaseEvents(lease_),
    ]) {
      expect(open).toThrow(error);
    }
  });

  test("of another call is accepted, since one object is often used for several calls", () => {
    const shared = { provider, lease, follow: true, tail: 5, concurrency: 3, service: "web" };
    expect(readCall(settings, provider, shared as CallOptions).provider).toBe(provider);
  });

  test("of a filter", () => {
    const filter = { replica: [0] } as never;
    expect(refused(() => readLeaseCall(settings, { provider, lease, filter }))).toBe(
      "TypeError: filter has no replica: did you mean replicas?",
    );
  });
});

describe("a placeholder of an example", () => {
  test.each([
    [
      "akash1…",
      lease,
      undefined,
      'provider is the placeholder "akash1…": put a provider\'s address in its place',
    ],
    [
      "akash1...",
      lease,
      undefined,
      'provider is the placeholder "akash1...": put a provider\'s address in its place',
    ],
    [
      "<provider>",
      lease,
      undefined,
      'provider is the placeholder "<provider>": put a provider\'s address in its place',
    ],
    [
      provider,
      { ...lease, owner: "akash1…" },
      undefined,
      'lease.owner is the placeholder "akash1…": put the tenant\'s address in its place',
    ],
    [
      "akash1ä",
      lease,
      undefined,
      'provider is "akash1ä", which is not an Akash address: one has letters and digits only',
    ],
    [
      provider,
      lease,
      { type: "jwt", token: "eyJ…" },
      "auth.token is a placeholder: put a token that the tenant has signed in its place",
    ],
    [
      provider,
      lease,
      { type: "jwt", token: "<token>" },
      "auth.token is a placeholder: put a token that the tenant has signed in its place",
    ],
    [
      provider,
      lease,
      { type: "jwt", getToken: () => "eyJ…" },
      /getToken gave a placeholder: have it give a token that the tenant has signed/,
    ],
  ] satisfies [string, LeaseId, Auth | undefined, string | RegExp][])(
    "%s, %j, %j is reported",
    async (provider, lease, auth, says) => {
      const client = await createClient({ bridgeUrl: "https://bridge.example", wasmModule });
      const call = { provider, lease, ...(auth && { auth }) };
      const { error } = await client.getManifest(call);
      expect(error).toBeInstanceOf(ProviderError);
      expect(error?.message).toMatch(says);
      expect(error?.message).not.toContain("eyJ");
      const read = async () => {
        for await (const _ of client.streamLogs(call));
      };
      await expect(read()).rejects.toThrow(says);
    },
  );
});

describe("transport", () => {
  const bridgeUrl = "https://bridge.example";

  test.each(["auto", "fetch", "websocket"] as const)("%s is accepted", (transport) => {
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

test("a call without its own settings has the client's", () => {
  expect(readCall(settings, provider)).toEqual({
    bridge: "https://bridge.example",
    provider,
    transport: "fetch",
    timeout: 30_000,
    retries: 3,
    heartbeat: 8_000,
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

test("an error about a secret does not contain it", () => {
  const auth = { type: "mtls", certPem: "secret certificate", keyPem: 12345 } as never;
  expect(() => readLeaseCall(settings, { provider, lease, auth })).toThrow(
    new TypeError("auth.keyPem must be a string, not number"),
  );
});

test("a credential is of one of three types", () => {
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

test("the trace is asked for with each call", () => {
  const bridgeUrl = "https://bridge.example.com";
  const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const traces: unknown[] = [parent, undefined, "nonsense", `${parent}\nx: y`, 5];
  const settings = readClientOptions({ bridgeUrl, traceparent: () => traces.shift() as string });
  expect(readCall(settings, "akash1…", {}).traceparent).toBe(parent);
  expect(readCall(settings, "akash1…", {}).traceparent).toBeUndefined();
  for (let n = traces.length; n > 0; n--) {
    expect(() => readCall(settings, "akash1…", {})).toThrow(/^traceparent must return/);
  }
  expect(() => readClientOptions({ bridgeUrl, traceparent: parent as never })).toThrow(
    /^traceparent must be a function/,
  );
});

test("the bridge's key is read for each call, and is in no error", () => {
  const bridgeUrl = "https://bridge.example.com";
  let key = "first";
  const settings = readClientOptions({ bridgeUrl, bridgeKey: () => key });
  expect(readCall(settings, "akash1…", {}).bridgeKey).toBe("first");
  key = "second";
  expect(readCall(settings, "akash1…", {}).bridgeKey).toBe("second");
  expect(readCall(readClientOptions({ bridgeUrl }), "akash1…", {}).bridgeKey).toBeUndefined();
  key = "";
  expect(() => readCall(settings, "akash1…", {})).toThrow(
    "bridgeKey must be a string, not an empty one",
  );
  expect(() => readClientOptions({ bridgeUrl, bridgeKey: 12345 as never })).toThrow(
    /^bridgeKey must be a string, not number$/,
  );
});

test("leases are listed by owner and state", async () => {
  const client = await createClient({ bridgeUrl: "https://bridge.example", wasmModule });
  await expect(client.listLeases({} as never)).rejects.toThrow(/^owner must be a string/);
  await expect(client.listLeases({ owner: "akash1…", state: "open" as never })).rejects.toThrow(
    'state must be "active", "insufficient_funds", "closed", "reclaiming" or "any"',
  );
  const call = (options: ListLeasesOptions) => readLeaseList(settings, options);
  expect(call({ owner: "akash1a" })).toMatchObject({
    provider: "",
    owner: "akash1a",
    names: ["active"],
  });
  expect(call({ owner: "akash1a", state: "any" }).names).toEqual([]);
});
