import type { Page } from "playwright-core";
import { afterEach, describe, expect, test } from "vitest";
import type { TestBridge } from "../../src/testing/index.js";
import {
  type Followed,
  follow,
  gathered,
  progress,
  seen,
  total,
  write,
  written,
} from "./followed.js";
import { Stage, until } from "./harness.js";

const history = 20_000;

let stage: Stage;
let second: TestBridge | undefined;

afterEach(async () => {
  await second?.stop();
  second = undefined;
  await stage.close();
});

describe.each([
  ["gRPC", "websocket", "page", []],
  ["gRPC", "fetch", "page", []],
  ["gRPC", "fetch", "worker", []],
  ["REST", "fetch", "page", ["--lease-rpc", "none"]],
] as const)(
  "a log that is followed over %s and %s, in a %s",
  (dialect, transport, where, flags) => {
    const open = async () => {
      stage = await Stage.open({ fake: ["--log-lines", String(history), ...flags] });
      return stage.page("module", { transport, worker: where === "worker" });
    };

    test("resumes when the bridge is stopped or killed and restarted, without losing or repeating lines", async () => {
      const page = await open();
      const { fake, bridge } = stage;
      await follow(page, fake, { heartbeatMs: 1000 });
      await seen(page, history);
      for (let round = 0; round < 2; round++) {
        await (second ? second.kill() : bridge.stop());
        await write(fake);
        await until("the stream notices", 10_000, async () => {
          const { states } = await progress(page);
          return states.at(-1) === "reconnecting";
        });
        second = await fake.startBridge("--listen", new URL(bridge.url).host);
        await seen(page, total(await fake.logs()));
      }
      await write(fake);
      await seen(page, total(await fake.logs()));
      expect(await gathered(page)).toEqual(await written(fake));
      expect(await progress(page)).toMatchObject({
        states: ["open", "reconnecting", "open", "reconnecting", "open"],
        gaps: 0,
        ended: "",
      });
    });

    test("resumes when the provider's connections break in the middle of its history", async () => {
      const page = await open();
      const { fake } = stage;
      await follow(page, fake);
      for (const lines of [1000, 3000, 6000]) {
        await seen(page, lines);
        await fake.cut();
        await write(fake);
      }
      await seen(page, total(await fake.logs()));
      await write(fake);
      await seen(page, total(await fake.logs()));
      expect(await gathered(page)).toEqual(await written(fake));
      const { states, gaps, ended } = await progress(page);
      expect({ gaps, ended }).toEqual({ gaps: 0, ended: "" });
      // Over REST the bridge reconnects.
      if (dialect === "gRPC") expect(states).toContain("reconnecting");
    });

    test("ends without reconnect", async () => {
      const page = await open();
      const { fake } = stage;
      await follow(page, fake, { reconnect: false });
      await seen(page, history);
      await stage.bridge.stop();
      await until("the stream ends", 10_000, async () => (await progress(page)).ended !== "");
      const { ended, states } = await progress(page);
      expect(ended).toMatch(/^UNAVAILABLE: /);
      expect(states).toEqual(["open", "ended"]);
    });
  },
);

/** Kills the bridge, changes something, and starts another bridge at the same address. */
async function replaceBridge(page: Page, happen: () => Promise<void>): Promise<void> {
  const { fake, bridge } = stage;
  await bridge.kill();
  await happen();
  await until("the stream notices", 10_000, () =>
    page.evaluate(() => followed.states.at(-1) === "reconnecting"),
  );
  second = await fake.startBridge("--listen", new URL(bridge.url).host);
}

test("replicas keep their numbers at another bridge, even if the pods have changed", async () => {
  stage = await Stage.open({ fake: ["--log-lines", "500", "--lease-rpc", "none"] });
  const page = await stage.page("module");
  const { fake } = stage;
  await follow(page, fake);
  await seen(page, 500);
  await replaceBridge(page, async () => {
    // Numbered only by the names of the pods, the others would get lower numbers.
    await fake.end({ service: "web", replica: 0 });
    await fake.grow("web");
    for (const log of await fake.logs()) {
      const ended = log.service === "web" && log.replica === 0;
      if (!ended) await fake.write(log, "meanwhile\n");
    }
  });
  await seen(page, total(await fake.logs()));
  expect(await gathered(page)).toEqual(await written(fake));
  expect(await progress(page)).toMatchObject({ gaps: 0, ended: "" });
});

test("events resume at another bridge, and none is repeated", async () => {
  stage = await Stage.open({ fake: ["--lease-rpc", "none"] });
  const page = await stage.page("module");
  const { fake } = stage;
  const { provider, lease, jwt } = fake.ready;
  await page.evaluate(
    ([provider, lease, token]) => {
      const seen: Followed = { text: new Map(), lines: 0, states: [], gaps: 0, ended: "" };
      globalThis.followed = seen;
      const stream = client.streamLeaseEvents({
        provider,
        lease,
        follow: true,
        auth: { type: "jwt", token },
        onState: (state) => seen.states.push(state),
      });
      const run = async () => {
        for await (const { reason, note, object } of stream) {
          const told = seen.text.get("events") ?? [];
          seen.text.set("events", told);
          told.push(`${reason} ${object?.name} ${note}`);
          seen.lines++;
        }
      };
      run().catch((error) => {
        seen.ended = String(error);
      });
    },
    [provider, lease, jwt] as const,
  );
  const count = 4 * (await fake.logs()).length;
  await seen(page, count);
  await replaceBridge(page, () => fake.warn("web", "BackOff", "it happened meanwhile"));
  await seen(page, count + 1);
  await fake.warn("web", "BackOff", "it happened later");
  await seen(page, count + 2);
  const told = await page.evaluate(() => followed.text.get("events") ?? []);
  expect(new Set(told).size).toBe(told.length);
  expect(told.at(-2)).toContain("it happened meanwhile");
  expect(told.at(-1)).toContain("it happened later");
  expect(await progress(page)).toMatchObject({
    states: ["open", "reconnecting", "open"],
    ended: "",
  });
});
