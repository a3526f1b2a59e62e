// The leases of an account, from the chain.

import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ListLeasesOptions } from "../../src/index.js";
import { type Flavour, Stage } from "./harness.js";
import "./page.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--providers", "2"] });
});
afterEach(() => stage.closePages());
afterAll(() => stage.close());

/** Lists leases in a page. Big integers do not cross to the test, so they become text. */
const list = (page: Page, options: ListLeasesOptions) =>
  page.evaluate(async (options) => {
    const { status, response, error, trust } = await client.listLeases(options);
    const leases = response?.leases.map(({ lease, ...rest }) => ({
      ...rest,
      provider: lease.provider,
      dseq: [typeof lease.dseq, `${lease.dseq}`],
    }));
    const { code, reason, message, provider } = error ?? {};
    const failure = error && { code, reason, message, provider };
    return { status, trust, ...response, leases, failure };
  }, options);

describe.each<[string, Flavour, boolean]>([
  ["a module", "module", false],
  ["a worker", "script", true],
])("from %s", (_, flavour, worker) => {
  test("a page lists an account's leases, the newest first, and they fit other calls", async () => {
    const page = await stage.page(flavour, { worker });
    const [first, second] = stage.fake.ready.providers ?? [];
    if (!first || !second) throw new Error("there are two providers");
    const { owner } = first.lease;
    const found = await list(page, { owner });
    expect(found).toMatchObject({
      status: "success",
      trust: "one-node",
      completeness: "one-node",
      more: false,
      leases: [second, first].map(({ provider, lease }) => ({
        provider,
        dseq: ["bigint", `${lease.dseq}`],
        state: "active",
        price: "0.75",
        denom: "uakt",
        createdAt: lease.dseq + 10,
        closedOn: 0,
      })),
    });
    expect(found.height).toBeGreaterThan(0);

    const services = await page.evaluate(
      async ([owner, auth]) => {
        const { response } = await client.listLeases({ owner });
        const { lease } = response?.leases.at(-1) ?? {};
        if (!lease) throw new Error("no lease");
        const status = client.streamServiceStatus({ provider: lease.provider, lease, auth });
        for await (const services of status) return services.map(({ name }) => name);
      },
      [owner, stage.fake.auth.jwt] as const,
    );
    expect(services?.sort()).toEqual([...stage.fake.ready.services].sort());
  });
});

test("closed leases are listed when they are asked for, and at most 200", async () => {
  const page = await stage.page("script");
  const { owner } = stage.fake.ready.lease;
  await stage.fake.setLease({ dseq: 1000, count: 201, state: "closed" });
  const closed = await list(page, { owner, state: "closed" });
  expect(closed.leases).toHaveLength(200);
  expect(closed.leases?.[0]).toMatchObject({ dseq: ["bigint", "1200"], state: "closed" });
  expect(closed.leases?.[0]?.closedOn).toBeGreaterThan(0);
  expect(closed.more).toBe(true);
  const all = await list(page, { owner, state: "any" });
  expect(all.leases?.map(({ state }) => state).slice(0, 3)).toEqual(["active", "active", "closed"]);
});

test("an account without leases has none, and what is no account is refused", async () => {
  const page = await stage.page("script");
  const none = await list(page, { owner: stage.fake.ready.provider });
  expect(none).toMatchObject({ status: "success", leases: [] });
  const wrong = await list(page, { owner: "akash1nobody" });
  expect(wrong.failure).toEqual({
    code: "INVALID_ARGUMENT",
    reason: "malformedAddress",
    message: "owner is not an address of the Akash chain (akash1…)",
    provider: undefined,
  });
  const example = await list(page, { owner: "akash1…" });
  expect(example.failure?.message).toContain("placeholder");
});

test("a chain that does not answer is told, and the call says what to do", async () => {
  await using fresh = await stage.withNewBridge();
  const page = await fresh.page("script", { bridgeUrl: fresh.url });
  await stage.fake.setFault("chain-down");
  try {
    const { owner } = stage.fake.ready.lease;
    const found = await list(page, { owner, retries: 0 });
    expect(found.failure).toMatchObject({ code: "UNAVAILABLE", reason: "chainUnavailable" });
    expect(found.failure?.message).toContain("--chain-rpc");
  } finally {
    await stage.fake.clearFault("chain-down");
  }
});
