// Field: problems of a client certificate, a token, a manifest or a status were
// reported wrongly or not at all.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ProviderStatus } from "../../src/index.js";
import type { ClientCertificateKind } from "../../src/testing/index.js";
import { Stage } from "./harness.js";
import { getProviderStatus } from "./page.js";

type Refusal = { status: string; error?: { code: string; reason: string; message: string } };

/** Makes a call about a lease in a page. */
async function call(stage: Stage, method: "getManifest" | "sendManifest", request: object) {
  const page = await stage.page("module", { retries: 0 });
  return (await page.evaluate(
    async ([method, request]) => {
      const result = await client[method](request as never);
      if (result.status === "success") return { status: result.status };
      const { code, reason, message } = result.error;
      return { status: result.status, error: { code, reason, message } };
    },
    [method, request] as const,
  )) as Refusal;
}

// Provider 0.6.4 refused a certificate that it had requested. The error said that it had
// not, and suggested a token, which that provider does not support.
describe.each(["0.6.4", "0.14.0"])("a client certificate that provider %s refuses", (version) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open({ fake: ["--provider-version", version, "--lease-rpc", "none"] });
  });
  afterEach(() => stage.closePages());
  afterAll(() => stage?.close());

  const says: [ClientCertificateKind, RegExp][] = [
    ["expired", /expired at/],
    ["notYetValid", /valid from/],
    ["revoked", /was revoked on the chain/],
    ["absent", /is not on the chain/],
    ["otherKey", /another key/],
  ];
  test.each(says)("%s", async (kind, text) => {
    const { provider, lease } = stage.fake;
    const auth = await stage.fake.clientCertificate(kind);
    const { error } = await call(stage, "getManifest", { provider, lease, auth });
    expect(error).toMatchObject({ code: "UNAUTHENTICATED", reason: "certificateNotOnChain" });
    expect(error?.message).toMatch(text);
    expect(error?.message).not.toMatch(/token|did not ask/);
  });

  test("another account's", async () => {
    const { provider, lease } = stage.fake;
    const auth = await stage.fake.clientCertificate("valid", "stranger");
    const { error } = await call(stage, "getManifest", { provider, lease, auth });
    expect(error?.reason).toBe("wrongTenant");
  });

  test("and one that it accepts", async () => {
    const { provider, lease } = stage.fake;
    const auth = await stage.fake.clientCertificate();
    expect(await call(stage, "getManifest", { provider, lease, auth })).toEqual({
      status: "success",
    });
  });
});

describe("a provider's responses over REST", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open({ fake: ["--provider-version", "0.4.8", "--lease-rpc", "none"] });
  });
  afterEach(() => stage.closePages());
  afterAll(() => stage?.close());

  const sent = async () => {
    const { provider, lease } = stage.fake;
    const auth = await stage.fake.clientCertificate();
    const manifest = await stage.fake.manifest();
    return (await call(stage, "sendManifest", { provider, lease, auth, manifest })).error;
  };

  // A 403 and a 408 for a manifest were INTERNAL.
  test("a refused manifest has the provider's message", async () => {
    await stage.fake.setAnswer("/manifest", 403, "hostname not allowed");
    const error = await sent();
    expect(error).toMatchObject({ code: "PERMISSION_DENIED", reason: "manifestRefused" });
    expect(error?.message).toMatch(/hostname not allowed/);
    await stage.fake.setAnswer("/manifest", 408);
    expect(await sent()).toMatchObject({ code: "UNKNOWN", reason: "outcomeUnknown" });
    await stage.fake.clearAnswer("/manifest");
  });

  const status = async (inventory: object) => {
    const { provider } = stage.fake;
    const body = { cluster: { leases: 2, inventory }, address: provider };
    await stage.fake.setAnswer("/status", 200, JSON.stringify(body));
    const page = await stage.page("module");
    const result = await getProviderStatus(page, provider);
    await stage.fake.clearAnswer("/status");
    if (result.status === "error") throw result.error;
    return result.response as ProviderStatus;
  };

  // Storage of -275152609037 bytes became 0, and 2^64 free bytes of memory all free.
  test("impossible amounts are limited, and reported", async () => {
    const { errors, cluster } = await status({
      available: {
        nodes: [{ name: "n1", allocatable: { memory: 1000 }, available: { memory: 2 ** 64 } }],
        storage: [{ class: "beta2", size: -275152609037 }],
      },
    });
    expect(errors).toEqual([
      expect.stringMatching(/node n1: available memory cannot be 18446744073709552000/),
      expect.stringMatching(/storage beta2: available cannot be -275152609037/),
    ]);
    const memory = cluster?.inventory?.cluster?.nodes[0]?.resources?.memory?.quantity;
    expect(memory?.allocatable?.value).toBe(1000);
    expect(memory?.allocated?.value).toBe(1000);
  });

  // A provider that had not yet inspected its cluster was shown as one without nodes.
  test("an unknown inventory is absent, and reported", async () => {
    const { errors, cluster } = await status({ available: {}, error: {} });
    expect(errors.join()).toMatch(/inventory is not known/);
    expect(cluster?.leases?.active).toBe(2);
    expect(cluster?.inventory).toBeUndefined();
  });
});

// A port that accepted connections and never answered cost the first call 8.1 seconds.
test("a silent gRPC port costs little", async () => {
  const stage = await Stage.open({ fake: ["--fault", "grpc-hang-accept"] });
  try {
    const page = await stage.page("module");
    const began = performance.now();
    const result = await getProviderStatus(page, stage.fake.provider);
    expect(performance.now() - began).toBeLessThan(4000);
    expect(result).toMatchObject({ status: "success", method: "rest" });
  } finally {
    await stage.close();
  }
});

// A token without a deployment's services was refused without naming the claim.
test("a missing claim is named before the token is sent", async () => {
  const stage = await Stage.open({ fake: ["--lease-rpc", "none"] });
  try {
    const { provider, lease } = stage.fake;
    const token = await stage.fake.token({
      claims: {
        leases: {
          access: "granular",
          permissions: [
            { provider, access: "granular", deployments: [{ dseq: 1, scope: ["get-manifest"] }] },
          ],
        },
      },
    });
    const auth = { type: "jwt", token };
    const { error } = await call(stage, "getManifest", { provider, lease, auth });
    expect(error).toMatchObject({ code: "UNAUTHENTICATED", reason: "tokenInvalid" });
    expect(error?.message).toMatch(/leases\.permissions\.deployments\.services/);
  } finally {
    await stage.close();
  }
});
