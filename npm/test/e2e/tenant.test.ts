// Other calls of a tenant: moving hostnames and addresses between deployments,
// attestation of a lease, and a signed inventory.

import { createHash } from "node:crypto";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Auth } from "../../src/index.js";
import { Stage, until } from "./harness.js";
import type { Failure } from "./page.js";

type Method = "hostnameMigrate" | "endpointMigrate" | "sendManifest" | "attestationQuote";

/** Makes a unary call in the page. */
function call(page: Page, method: Method, request: object) {
  return page.evaluate(
    async ([method, request]) => {
      const result = await client[method](request as never);
      if (result.status === "success") return result;
      const { name, code, reason, message, provider } = result.error as Failure;
      return { ...result, error: { name, code, reason, message, provider } };
    },
    [method, request] as const,
  );
}

describe("a tenant's calls over REST", () => {
  let stage: Stage;
  let page: Page;

  beforeAll(async () => {
    stage = await Stage.open({ fake: ["--provider-version", "0.14.0", "--lease-rpc", "none"] });
    page = await stage.page("module");
  });
  afterAll(() => stage?.close());

  describe.each(["JWT", "mTLS"])("with %s", (credential) => {
    let auth: Auth;

    beforeAll(async () => {
      auth =
        credential === "mTLS"
          ? await stage.fake.clientCertificate()
          : { type: "jwt", token: stage.fake.ready.jwt };
    });

    test("hostnames move to a deployment whose manifest has them", async () => {
      const { provider, lease } = stage.fake.ready;
      const before = (await stage.fake.migrated()).hostnames;
      const hostnames = ["web.provider.localhost"];
      const destination = { dseq: lease.dseq };
      const request = { provider, auth, hostnames, destination };
      expect(await call(page, "hostnameMigrate", request), stage.errors()).toMatchObject({
        status: "success",
        response: hostnames,
        attempts: 1,
        method: "rest",
      });
      expect((await stage.fake.migrated()).hostnames).toEqual([...before, ...hostnames]);

      const wrong = { ...request, hostnames: [...hostnames, "www.example.com"] };
      expect((await call(page, "hostnameMigrate", wrong)).error).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "requestRefused",
        message: expect.stringContaining('"www.example.com" is not used by this deployment'),
      });
      const nowhere = { ...request, destination: { dseq: 1n, gseq: 2 } };
      expect((await call(page, "hostnameMigrate", nowhere)).error).toMatchObject({
        code: "NOT_FOUND",
        reason: "unknownLease",
      });
      expect((await stage.fake.migrated()).hostnames).toEqual([...before, ...hostnames]);
    });

    test("so do endpoints", async () => {
      const { provider, lease } = stage.fake.ready;
      const destination = { dseq: lease.dseq, gseq: lease.gseq };
      const endpoints = ["myendpoint"];
      const request = { provider, auth, endpoints, destination };
      const ordered = await stage.fake.manifest();
      const missing = await call(page, "endpointMigrate", request);
      expect(missing.error, stage.errors()).toMatchObject({ code: "INVALID_ARGUMENT" });

      const manifest = structuredClone(ordered);
      for (const expose of manifest[0]?.services[0]?.expose ?? []) expose.ip = "myendpoint";
      await stage.fake.expectManifest(manifest);
      const sent = await call(page, "sendManifest", { provider, lease, auth, manifest });
      expect(sent.status, stage.errors()).toBe("success");
      expect(await call(page, "endpointMigrate", request)).toMatchObject({
        status: "success",
        response: endpoints,
      });
      expect((await stage.fake.migrated()).endpoints.at(-1)).toBe("myendpoint");

      await stage.fake.expectManifest(ordered);
      await call(page, "sendManifest", { provider, lease, auth, manifest: ordered });
    });

    test("a migration whose response is lost is not sent again", async () => {
      const { provider, lease } = stage.fake.ready;
      const route = "POST /hostname/migrate";
      const count = async () =>
        (await stage.fake.requests()).filter(({ method }) => method === route).length;
      const before = await count();
      await stage.fake.setAnswer("/hostname/migrate", 504, "gateway timeout");
      const hostnames = ["web.provider.localhost"];
      const destination = { dseq: lease.dseq };
      const lost = await call(page, "hostnameMigrate", { provider, auth, hostnames, destination });
      await stage.fake.clearAnswer("/hostname/migrate");
      expect(lost).toMatchObject({ attempts: 1, error: { reason: "outcomeUnknown" } });
      expect(await count()).toBe(before + 1);
    });
  });

  test("a token without the scope is not sent", async () => {
    const { provider, lease } = stage.fake.ready;
    const access = { access: "scoped", scope: ["logs"], provider };
    const leases = { access: "granular", permissions: [access] };
    const auth = { type: "jwt", token: await stage.fake.token({ claims: { leases } }) };
    const destination = { dseq: lease.dseq };
    const hostnames = ["web.provider.localhost"];
    const refused = await call(page, "hostnameMigrate", { provider, auth, hostnames, destination });
    expect(refused.error).toMatchObject({
      code: "PERMISSION_DENIED",
      reason: "scopeMissing",
      message: expect.stringContaining('"hostname-migrate"'),
    });
  });

  test.each([
    [{ hostnames: [] }, "hostnames must be an array of at least one string"],
    [{ hostnames: "a.example" }, "hostnames must be an array of at least one string"],
    [{ hostnames: ["a.example,b.example"] }, "hostnames must have no commas in them"],
    [{ hostnames: [""] }, "hostnames must be a string, not an empty one"],
    [{ hostnames: ["a.example"], destination: {} }, "destination.dseq must be a whole number"],
  ])("%j is a TypeError", async (wrong, says) => {
    const { provider, lease } = stage.fake.ready;
    const thrown = page.evaluate((request) => client.hostnameMigrate(request as never), {
      provider,
      destination: { dseq: lease.dseq },
      ...wrong,
    });
    await expect(thrown).rejects.toThrow(says);
  });
});

describe.each([
  { over: "grpc", flags: ["--lease-rpc", "sdk", "--tee", "tdx-gpu"], platform: "tdx-gpu" },
  { over: "rest", flags: ["--lease-rpc", "none", "--tee", "snp"], platform: "snp" },
])("attestation over $over", ({ over, flags, platform }) => {
  let stage: Stage;
  let page: Page;

  beforeAll(async () => {
    stage = await Stage.open({ fake: ["--provider-version", "0.16.2", ...flags] });
    page = await stage.page("module");
  });
  afterAll(() => stage?.close());

  const request = () => {
    const { provider, lease } = stage.fake.ready;
    return { provider, lease };
  };

  test.each(["JWT", "mTLS"])("a lease attests itself for a fresh nonce, with %s", async (by) => {
    const auth = by === "JWT" ? stage.fake.auth.jwt : stage.fake.auth.mtls;
    const [one, two] = await page.evaluate(
      async (request) => {
        const quotes = [];
        for (let i = 0; i < 2; i++) {
          const { response, error, method } = await client.attestationQuote(request as never);
          if (error) throw error;
          const { nonce, report, reportData, gpuReports, ...rest } = response;
          const lengths = [nonce.length, report.length, gpuReports.length];
          quotes.push({ ...rest, nonce: `${nonce}`, reportData: `${reportData}`, lengths, method });
        }
        return quotes;
      },
      { ...request(), auth },
    );
    expect(one, stage.errors()).toMatchObject({
      teePlatform: platform,
      nonceVerified: true,
      tlsBound: false,
      mock: false,
      method: over,
    });
    expect(one?.lengths).toEqual(platform === "snp" ? [64, 1184, 0] : [64, 700, 2]);
    expect(one?.reportData).toBe(one?.nonce);
    expect(two?.nonce).not.toBe(one?.nonce);
  });

  test("an old report is refused", async () => {
    const auth = stage.fake.auth.jwt;
    await call(page, "attestationQuote", { ...request(), auth });
    await stage.fake.setFault("quote-replay");
    const { error } = await call(page, "attestationQuote", { ...request(), auth });
    await stage.fake.clearFault("quote-replay");
    expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "nonceMismatch" });
  });

  test("one that is bound to TLS can be checked with the key", async () => {
    const call = { ...request(), auth: stage.fake.auth.jwt, bindTls: true };
    const [open, wrong] = await page.evaluate(async (call) => {
      const open = await client.attestationQuote(call as never);
      const tlsPublicKey = new TextEncoder().encode("not the key");
      const wrong = await client.attestationQuote({ ...call, tlsPublicKey } as never);
      return [open.response, wrong.error?.reason] as const;
    }, call);
    expect(open, stage.errors()).toMatchObject({ tlsBound: true, nonceVerified: false });
    expect(wrong).toBe("nonceMismatch");
  });

  test("a nonce of another length is a TypeError", async () => {
    const thrown = page.evaluate(
      (request) => client.attestationQuote({ ...request, nonce: new Uint8Array(32) } as never),
      request(),
    );
    await expect(thrown).rejects.toThrow("nonce must be a Uint8Array of 64 bytes");
  });
});

test("a provider without attestation is distinguished from a lease without it", async () => {
  for (const [version, code] of [
    ["0.14.0", "UNIMPLEMENTED"],
    ["0.16.2", "FAILED_PRECONDITION"],
  ]) {
    const stage = await Stage.open({ fake: ["--provider-version", version as string] });
    const page = await stage.page("module");
    const { provider, lease } = stage.fake.ready;
    const auth = stage.fake.auth.jwt;
    const { error } = await call(page, "attestationQuote", { provider, lease, auth });
    await stage.close();
    expect(error).toMatchObject({ code });
  }
});

test.each([
  ["0.16.2", "aep37", "grpc"],
  ["0.16.2", "sdk", "grpc"],
  ["0.14.0", "none", "grpc"],
])(
  "provider %s with LeaseRPC %s says how long a lease that it reclaims goes on",
  async (version, dialect, over) => {
    const stage = await Stage.open({
      fake: ["--provider-version", version, "--lease-rpc", dialect],
    });
    const page = await stage.page("module");
    const { provider } = stage.fake.ready;
    const get = () => page.evaluate((provider) => client.getProviderStatus(provider), provider);
    const expected = { reclamationWindow: { text: "86400s", seconds: 86400 } };
    expect(await get(), stage.errors()).toMatchObject({ method: over, response: expected });
    // Over REST, which has it in nanoseconds.
    await using other = await stage.withNewBridge("--grpc-port", "1");
    const elsewhere = await other.page("script");
    const result = await elsewhere.evaluate(
      async ([bridgeUrl, provider]) => {
        const client = await AkashProvider.createClient({ bridgeUrl });
        return client.getProviderStatus(provider);
      },
      [other.url, provider] as const,
    );
    expect(result, other.errors()).toMatchObject({ method: "rest", response: expected });
    await stage.close();
  },
);

describe("a signed inventory", () => {
  let stage: Stage;
  let page: Page;

  beforeAll(async () => {
    stage = await Stage.open({ fake: ["--provider-version", "0.16.0-a4"] });
    page = await stage.page("module");
  });
  afterAll(() => stage?.close());

  test("is for a fresh nonce, with its signature and hash", async () => {
    const { provider } = stage.fake;
    const snapshot = await page.evaluate(async (provider) => {
      const nonce = Uint8Array.from({ length: 32 }, (_, i) => i);
      const { response, error, method } = await client.inventorySnapshot({ provider, nonce });
      if (error) throw error;
      const { payload, signature, hash, nonce: given, ...rest } = response;
      const bytes = { payload: [...payload], hash: [...(hash ?? [])], nonce: `${given}` };
      return { ...rest, ...bytes, signature: signature.length, sent: `${nonce}`, method };
    }, provider);
    expect(snapshot, stage.errors()).toMatchObject({
      provider,
      schemaVersion: 1,
      chainId: "akashnet-2",
      nonce: snapshot.sent,
      signature: 64,
      method: "grpc",
    });
    const sum = createHash("sha256").update(Uint8Array.from(snapshot.payload)).digest();
    expect(snapshot.hash).toEqual([...sum]);
    const seen = (await stage.fake.requests()).find(({ method }) =>
      method.includes("GetInventorySnapshot"),
    );
    expect(seen).toMatchObject({ authorization: false, clientCert: false });
  });

  test("that was committed is had by its hash, and the latest without", async () => {
    const { provider } = stage.fake;
    const [first, again, unknown] = await page.evaluate(async (provider) => {
      const first = await client.committedInventorySnapshot({ provider });
      const hash = first.response?.hash as Uint8Array;
      const again = await client.committedInventorySnapshot({ provider, hash });
      const unknown = await client.committedInventorySnapshot({
        provider,
        hash: new Uint8Array(32),
      });
      const told = ({ response, error }: typeof first) =>
        error
          ? { code: error.code }
          : { hash: `${response.hash}`, nonce: response.nonce.length, postedAt: response.postedAt };
      return [told(first), told(again), told(unknown)] as const;
    }, provider);
    expect(first, stage.errors()).toMatchObject({
      nonce: 0,
      postedAt: expect.stringMatching(/Z$/),
    });
    expect(again).toEqual(first);
    expect(unknown).toEqual({ code: "NOT_FOUND" });
  });

  test.each(["0.16.2", "0.4.8"])(
    "is not to be had of provider %s, which is told",
    async (version) => {
      const stage = await Stage.open({ fake: ["--provider-version", version] });
      const page = await stage.page("module");
      const result = await page.evaluate(async (provider) => {
        const { error } = await client.inventorySnapshot({ provider });
        return { code: error?.code, reason: error?.reason, message: error?.message };
      }, stage.fake.provider);
      await stage.close();
      expect(result).toMatchObject({
        code: "UNIMPLEMENTED",
        reason: "notImplemented",
        message: expect.stringContaining("it has no signed inventory (AEP-86)"),
      });
    },
  );
});

test.each(["jwt", "mtls"] as const)(
  "services' status is followed in the SDK's LeaseRPC, and logs over REST, with %s",
  async (by) => {
    const version = ["--provider-version", "0.16.2", "--log-lines", "50"];
    const stage = await Stage.open({ fake: [...version, "--lease-rpc", "sdk-full"] });
    const page = await stage.page("module");
    const { provider, lease } = stage.fake.ready;
    const request = { provider, lease, auth: stage.fake.auth[by] };
    const following = page.evaluate(async (request) => {
      for await (const services of client.streamServiceStatus({
        ...request,
        follow: true,
      } as never)) {
        const web = services.find(({ name }) => name === "web");
        globalThis.seen = 1;
        if (web?.status?.total === 4) return "four";
      }
      return "ended";
    }, request);
    await until("a status", 10_000, async () => (await page.evaluate("globalThis.seen")) === 1);
    await stage.fake.grow("web");
    expect(await following, stage.errors()).toBe("four");
    const lines = await page.evaluate(async (request) => {
      let lines = 0;
      for await (const batch of client.streamLogs(request as never).batches())
        lines += batch.length;
      return lines;
    }, request);
    expect(lines).toBe((await stage.fake.logs()).reduce((sum, log) => sum + log.lines, 0));
    const seen = await stage.fake.requests();
    await stage.close();
    const service = "/akash.provider.lease.v1.LeaseRPC/";
    expect(seen.map(({ method }) => method)).toContain(`${service}StreamServiceStatus`);
    expect(seen.map(({ method }) => method)).not.toContain(`${service}StreamServiceLogs`);
    expect(seen.some(({ protocol, method }) => protocol === "ws" && method.endsWith("/logs"))).toBe(
      true,
    );
  },
);
