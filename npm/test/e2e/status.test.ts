import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Flavour, Stage } from "./harness.js";
import { getProviderStatus } from "./page.js";
import { expected, withoutDefaults } from "./protojson.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

describe.each<Flavour>(["script", "module"])("a page that loads the client as a %s", (flavour) => {
  test("gets a provider's status, equal field by field to what the provider holds", async () => {
    const page = await stage.page(flavour);
    const result = await getProviderStatus(page, stage.fake.ready.provider);

    expect(result.error, stage.errors()).toBeUndefined();
    expect(result).toMatchObject({
      status: "success",
      attempts: 1,
      method: "grpc",
      endpoint: stage.fake.ready.grpc.replace("127.0.0.1", "localhost"),
    });
    expect(result.providerVersion).toMatch(/^v?\d+\.\d+\.\d+/);

    // The time of the answer is its own; everything else is what is held.
    const held = await stage.fake.status();
    const { timestamp, ...response } = result.response as Record<string, unknown>;
    expect(Number.isNaN(Date.parse(String(timestamp)))).toBe(false);
    delete held.timestamp;
    expect(withoutDefaults(response)).toEqual(withoutDefaults(expected(held)));
  });

  test("gets statuses of many calls at once", async () => {
    const page = await stage.page(flavour);
    const results = await Promise.all(
      Array.from({ length: 20 }, () => getProviderStatus(page, stage.fake.ready.provider)),
    );
    expect(results.map((r) => r.status)).toEqual(Array(20).fill("success"));
  });
});

test.each([
  ["v0.4.8", "rest"],
  ["v0.6.4", "grpc"],
  ["v0.8.4", "grpc"],
  ["v0.14.1", "grpc"],
])("a provider of %s is spoken to over %s", async (version, method) => {
  const other = await Stage.open({ fake: ["--provider-version", version] });
  try {
    const page = await other.dashboard();
    const result = await getProviderStatus(page, other.fake.ready.provider);
    expect(result, other.errors()).toMatchObject({ status: "success", method });
    expect(result.providerVersion).toBe(version);
    const { cluster } = result.response as { cluster: { leases: { active: number } } };
    expect(cluster.leases.active).toBe((await other.fake.status()).cluster.leases.active);
  } finally {
    await other.close();
  }
});
