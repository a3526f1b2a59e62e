// Field: streams that follow a lease retried without a pause if a provider repeated
// itself, and gave up if it had nothing to send yet.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { LogOptions } from "../../src/index.js";
import type { Fault } from "../../src/testing/index.js";
import { metricsOf, Stage, until } from "./harness.js";

/** What a page received from a stream. */
interface Told {
  items: string[];
  /** The states, each with its reason if it has one. */
  states: string[];
  ended: string;
}

declare global {
  /** What the page's stream has delivered so far. */
  var told: Told;
}

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({
    fake: ["--provider-version", "0.8.4", "--lease-rpc", "none", "--log-lines", "0"],
  });
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

/** Follows a stream of the lease in a page, until the page is closed. */
async function follow(method: "streamLogs" | "streamLeaseEvents", options: object = {}) {
  const { provider, lease, auth } = stage.fake;
  const page = await stage.page("module");
  await page.evaluate(
    ([method, request]) => {
      const told: Told = { items: [], states: [], ended: "" };
      globalThis.told = told;
      const stream = client[method]({
        ...(request as object as LogOptions),
        onState: (state, error) => told.states.push(error ? `${state} ${error.reason}` : state),
      });
      const read = async () => {
        for await (const item of stream) {
          told.items.push("note" in item ? `${item.object?.name} ${item.reason}` : item.message);
        }
      };
      read().catch(({ code, reason }) => {
        told.ended = `${code} ${reason}`;
      });
    },
    [method, { provider, lease, follow: true, auth: auth.jwt, ...options }] as const,
  );
  return { page, told: () => page.evaluate(() => told) };
}

/** The number of WebSockets of a kind that were opened at the provider. */
async function sockets(route: string): Promise<number> {
  const requests = await stage.fake.requests();
  return requests.filter(({ method }) => method.endsWith(`/${route}`)).length;
}

async function during<T>(fault: Fault, f: () => Promise<T>): Promise<T> {
  await stage.fake.setFault(fault);
  try {
    return await f();
  } finally {
    await stage.fake.clearFault(fault);
  }
}

test("a provider that repeats one event and closes is not called without a pause", async () => {
  await during("events-repeat", async () => {
    const before = await sockets("kubeevents");
    const { told } = await follow("streamLeaseEvents");
    await new Promise((resolve) => setTimeout(resolve, 10_000)); // the span that is measured
    expect((await sockets("kubeevents")) - before).toBeLessThanOrEqual(7);
    const { items, states, ended } = await told();
    expect(items).toHaveLength(1);
    expect(states).toEqual(["open", "reconnecting providerGone"]);
    expect(ended).toBe("");
  });
});

describe.each(["close-1011", "close-1013", "kube-down"] as const)(
  "a follower whose provider answers with %s",
  (fault) => {
    test.each(["streamLogs", "streamLeaseEvents"] as const)("waits in %s", async (method) => {
      const { told } = await during(fault, async () => {
        const followed = await follow(method);
        await until("it waits", 10_000, async () => (await followed.told()).states.length > 0);
        return followed;
      });
      const [first, ...rest] = (await told()).states;
      expect(first).toMatch(/^connecting (providerGone|providerFailed)$/);
      expect(rest).not.toContain("reconnecting");
      await until("it is open", 20_000, async () => (await told()).states.at(-1) === "open");
      expect((await told()).ended).toBe("");
    });
  },
);

test("a log that is opened while its pod starts gets the lines once it has started", async () => {
  const web = { service: "web", replica: 3 };
  await stage.fake.grow("web", true);
  const { told } = await follow("streamLogs", { filter: { name: "web" }, retries: 0 });
  await until("it waits", 10_000, async () => (await told()).states.length > 0);
  expect(await told()).toEqual({ items: [], states: ["connecting podStarting"], ended: "" });
  await stage.fake.started(web);
  await stage.fake.write(web, "hello");
  await until("the line", 10_000, async () => (await told()).items.includes("hello"));
  const { states, ended } = await told();
  expect(states).toEqual(["connecting podStarting", "open"]);
  expect(ended).toBe("");
});

test("a log that is opened before there is a pod gets the lines once there is one", async () => {
  const { told } = await during("no-pods", async () => {
    const followed = await follow("streamLogs", { filter: { name: "db" }, retries: 0 });
    await until("it waits", 10_000, async () => (await followed.told()).states.length > 0);
    expect((await followed.told()).states).toEqual(["connecting noRunningPods"]);
    return followed;
  });
  await stage.fake.write({ service: "db", replica: 0 }, "ready");
  await until("the line", 20_000, async () => (await told()).items.includes("ready"));
  expect((await told()).ended).toBe("");
});

test("frames that are neither events nor lines are skipped and counted", async () => {
  const counted = async (kind: string) =>
    (await metricsOf(stage.url))(`akash_bridge_skipped_frames_total{kind="${kind}"}`);
  const before = { event: await counted("event"), logLine: await counted("logLine") };
  await during("odd-frames", async () => {
    const events = await follow("streamLeaseEvents");
    await until("events", 10_000, async () => (await events.told()).items.length > 0);
    expect((await events.told()).items).not.toContain(" ");
    const logs = await follow("streamLogs", { filter: { name: "db" } });
    await stage.fake.write({ service: "db", replica: 1 }, "among odd frames");
    await until("the line", 10_000, async () =>
      (await logs.told()).items.includes("among odd frames"),
    );
    expect((await logs.told()).ended).toBe("");
  });
  expect(await counted("event")).toBeGreaterThanOrEqual(before.event + 3);
  expect(await counted("logLine")).toBeGreaterThanOrEqual(before.logLine + 3);
});

test("one service's events are its own", async () => {
  const { told } = await follow("streamLeaseEvents", { service: "db" });
  await until("events", 10_000, async () => (await told()).items.length >= 8);
  const { items } = await told();
  expect(items.every((item) => item.startsWith("db-"))).toBe(true);
});
