import http, { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { CertificateKind, TestProviderInfo } from "../../src/testing/index.js";
import { type Flavour, runs, Stage } from "./harness.js";
import { getProviderStatus } from "./page.js";
import { expected, withoutDefaults } from "./protojson.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

describe.each<[Flavour, boolean]>([
  ["script", false],
  ["module", false],
  ["script", true],
  ["module", true],
])("a page that loads the client as a %s, worker: %s", (flavour, worker) => {
  test("gets a provider's status, equal to the provider's field by field", async () => {
    const page = await stage.page(flavour, { worker });
    const result = await getProviderStatus(page, stage.fake.ready.provider);

    expect(result.error, stage.errors()).toBeUndefined();
    expect(result).toMatchObject({
      status: "success",
      attempts: 1,
      method: "grpc",
      endpoint: stage.fake.ready.grpc.replace("127.0.0.1", "localhost"),
      verified: "chain",
      trust: "one-node",
    });
    expect(result.providerVersion).toMatch(/^v?\d+\.\d+\.\d+/);

    // The time is that of the response; everything else is equal.
    const held = await stage.fake.status();
    const { timestamp, ...response } = result.response as Record<string, unknown>;
    expect(Number.isNaN(Date.parse(String(timestamp)))).toBe(false);
    delete held.timestamp;
    expect(withoutDefaults(response)).toEqual(withoutDefaults(expected(held)));
  });

  test("gets statuses with many concurrent calls", async () => {
    const page = await stage.page(flavour, { worker });
    const results = await Promise.all(
      Array.from({ length: 20 }, () => getProviderStatus(page, stage.fake.ready.provider)),
    );
    expect(results.map((r) => r.status)).toEqual(Array(20).fill("success"));
  });
});

test.runIf(runs("onePreflight"))(
  "the browser sends one preflight, not one for each call",
  async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      const { url, method = "", headers } = request;
      if (url?.endsWith("/GetStatus")) asked.push(method);
      request.pipe(
        http.request(`${stage.url}${url}`, { method, headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        }),
      );
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      proxy.closeAllConnections();
      proxy.close();
    });
    const { port } = proxy.address() as AddressInfo;
    const page = await stage.page("module", { bridgeUrl: `http://127.0.0.1:${port}` });
    for (let i = 0; i < 3; i++) {
      const result = await getProviderStatus(page, stage.fake.ready.provider);
      expect(result.status, stage.errors()).toBe("success");
    }
    expect(asked.sort()).toEqual(["OPTIONS", "POST", "POST", "POST"]);
  },
);

test("an unverified status says so", async () => {
  await stage.fake.setCertificate("expired");
  await using other = await stage.withNewBridge("--allow-insecure");
  try {
    const page = await other.dashboard();
    const options = { insecure: true, retries: 0 };
    const result = await getProviderStatus(page, stage.fake.ready.provider, options);
    expect(result, other.errors()).toMatchObject({
      status: "success",
      verified: "none",
      trust: "none",
    });
  } finally {
    await stage.fake.setCertificate("valid");
  }
});

// The test server's chain node answers over RPC and REST, so it can be two nodes.
test("a page learns how many chain nodes agreed, of a result and of a stream", async () => {
  const { provider, chainRpc } = stage.fake.ready;
  await using other = await stage.withNewBridge("--chain-rest", chainRpc);
  const page = await other.dashboard();
  const result = await getProviderStatus(page, provider);
  expect(result, other.errors()).toMatchObject({ status: "success", trust: "quorum=2/2" });
  const routes = await page.evaluate(async (provider) => {
    const stream = client.streamProviderStatus(provider);
    const before = stream.route;
    for await (const _ of stream) break;
    return { before, after: stream.route };
  }, provider);
  expect(routes).toEqual({
    before: undefined,
    after: expect.objectContaining({ method: "grpc", verified: "chain", trust: "quorum=2/2" }),
  });
});

// bridge/protocol_test.go has the whole table, with a plain gRPC-Web client.
describe("providers of every version", () => {
  const versions = ["v0.4.8", "v0.6.4", "v0.8.4", "v0.14.0", "v0.16.0-rc3", "v0.16.2"];
  const kinds: CertificateKind[] = ["valid", "expired", "revoked"];
  let many: Stage;
  let known: (TestProviderInfo & { kind: CertificateKind })[];

  beforeAll(async () => {
    const count = versions.length * kinds.length;
    const flags = ["--providers", `${count}`, "--provider-version", versions.join()];
    many = await Stage.open({ fake: flags });
    known = many.fake.providers.map((p, i) => ({
      ...p,
      kind: kinds[Math.floor(i / versions.length)] as CertificateKind,
    }));
    for (const { provider, kind } of known) {
      await many.fake.setCertificate(kind, provider);
    }
  });
  afterAll(() => many?.close());

  const table = versions.flatMap((version) => kinds.map((kind) => ({ version, kind })));
  test.each(table)("$version with a certificate that is $kind", async ({ version, kind }) => {
    const page = await many.dashboard();
    const at = known.findIndex(
      (p, i) => versions[i % versions.length] === version && p.kind === kind,
    );
    const { provider, rest, grpc } = known[at] as (typeof known)[0];
    for (const checkVersion of [true, false]) {
      const result = await getProviderStatus(page, provider, { checkVersion, retries: 0 });
      if (kind !== "valid") {
        expect(result, many.errors()).toMatchObject({
          status: "error",
          error: { code: "FAILED_PRECONDITION", reason: kind, provider },
        });
        continue;
      }
      const method = version === "v0.4.8" ? "rest" : "grpc";
      expect(result, many.errors()).toMatchObject({
        status: "success",
        method,
        endpoint: (method === "rest" ? rest : grpc).replace("127.0.0.1", "localhost"),
        attempts: 1,
      });
      if (checkVersion) expect(result.providerVersion).toBe(version);
      const { cluster } = result.response as { cluster: { leases: { active: number } } };
      const held = await many.fake.status(provider);
      expect(cluster.leases.active).toBe(held.cluster.leases.active);
    }
  });
});
