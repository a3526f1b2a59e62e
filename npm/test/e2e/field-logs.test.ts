// Seen in the field: logs of pods that start, end, and write very long lines.

import type { Page } from "playwright-core";
import { afterEach, expect, test } from "vitest";
import type { LogGap } from "../../src/index.js";
import type { TestBridge } from "../../src/testing/index.js";
import { Stage, until } from "./harness.js";

interface PageLogs {
  /** The entries of each replica in order; a gap is null. */
  entries: Record<string, ({ text: string; continues: boolean } | null)[]>;
  states: string[];
  gaps: LogGap[];
  /** How the stream ended; "" while it is open. */
  ended: string;
}

declare global {
  var pageLogs: PageLogs;
}

const rest = ["--log-lines", "0", "--lease-rpc", "none"];
const web = { service: "web", replica: 0 };
const tooLong = "x".repeat(70_000);

let stage: Stage;
let second: TestBridge | undefined;

afterEach(async () => {
  await second?.stop();
  second = undefined;
  await stage.close();
});

/** Reads all logs of the lease in a page, and follows them. */
async function follow(follow = true): Promise<Page> {
  const page = await stage.page("module");
  const { provider, lease, jwt } = stage.fake.ready;
  await page.evaluate(
    ([provider, lease, token, follow]) => {
      const seen: PageLogs = { entries: {}, states: [], gaps: [], ended: "" };
      globalThis.pageLogs = seen;
      const of = (replica: { service: string; replica: number }) => {
        seen.entries[`${replica.service}/${replica.replica}`] ??= [];
        return seen.entries[`${replica.service}/${replica.replica}`] ?? [];
      };
      const stream = client.streamLogs({
        provider,
        lease,
        follow,
        heartbeatMs: 1000,
        auth: { type: "jwt", token },
        onState: (state) => seen.states.push(state),
        onGap: (gap) => {
          seen.gaps.push(gap);
          of(gap).push(null);
        },
      });
      const run = async () => {
        for await (const entry of stream) {
          of(entry).push({ text: entry.message, continues: entry.continues === true });
        }
      };
      run().then(
        () => {
          seen.ended = "well";
        },
        (error) => {
          seen.ended = `${error.code}: ${error.message}`;
        },
      );
    },
    [provider, lease, jwt, follow] as const,
  );
  return page;
}

/** Waits until the page has the lines of a replica, null for a gap. */
async function has(page: Page, replica: string, want: (string | null)[], patience = 15_000) {
  const got = async () =>
    page.evaluate((name) => {
      const entries = pageLogs.entries[name] ?? [];
      return { lines: entries.map((entry) => entry?.text ?? null), ended: pageLogs.ended };
    }, replica);
  await until(`${replica} is ${JSON.stringify(want)}`, patience, async () => {
    const { lines, ended } = await got();
    expect(ended).toBe("");
    return lines.length >= want.length;
  });
  expect((await got()).lines).toEqual(want);
}

const told = (page: Page) =>
  page.evaluate(() => ({ states: pageLogs.states, gaps: pageLogs.gaps, ended: pageLogs.ended }));

test("a line over 64 KiB silenced a replica permanently, without an error", async () => {
  stage = await Stage.open({ fake: rest });
  const page = await follow();
  const { fake } = stage;
  await fake.write(web, "one\n");
  await has(page, "web/0", ["one"]);
  await fake.write(web, `${tooLong}\ntwo\nthree\n`);
  await has(page, "web/0", ["one", null, "two", "three"], 25_000);
  await fake.write(web, "four\n");
  await has(page, "web/0", ["one", null, "two", "three", "four"]);
  expect(await told(page)).toEqual({
    states: ["open"],
    gaps: [{ service: "web", replica: 0, lost: null }],
    ended: "",
  });

  // Another bridge skips the same line again; nothing is reported twice.
  await stage.bridge.kill();
  await fake.write(web, "five\n");
  await until("the stream notices", 10_000, async () =>
    (await told(page)).states.includes("reconnecting"),
  );
  second = await fake.startBridge("--listen", new URL(stage.bridge.url).host);
  await has(page, "web/0", ["one", null, "two", "three", "four", "five"], 45_000);
  await fake.write(web, "six\n");
  await has(page, "web/0", ["one", null, "two", "three", "four", "five", "six"]);
  expect(await told(page)).toMatchObject({ states: ["open", "reconnecting", "open"], ended: "" });
}, 120_000);

test("a line over 64 KiB at the end of a log is reported, and later ones arrive", async () => {
  stage = await Stage.open({ fake: rest });
  const page = await follow();
  const { fake } = stage;
  await fake.write(web, "one\n");
  await has(page, "web/0", ["one"]);
  await fake.write(web, `${tooLong}\n`);
  await has(page, "web/0", ["one", null], 25_000);
  await fake.write(web, "two\n");
  await has(page, "web/0", ["one", null, "two"]);
  expect(await told(page)).toMatchObject({ states: ["open"], ended: "" });
});

test("a line over 64 KiB ended a log that is not followed, which looked complete", async () => {
  stage = await Stage.open({ fake: rest });
  const { fake } = stage;
  await fake.write(web, `one\n${tooLong}\ntwo\nthree\n`);
  await fake.write({ service: "web", replica: 1 }, `one\n${tooLong}\n`);
  await fake.write({ service: "web", replica: 2 }, `${tooLong}\ntwo\n`);
  const page = await follow(false);
  await until("the end", 20_000, async () => (await told(page)).ended !== "");
  const { gaps, ended } = await told(page);
  expect(ended).toBe("well");
  expect(gaps).toHaveLength(3);
  const logs = await page.evaluate(() =>
    Object.values(pageLogs.entries).map((entries) => entries.map((entry) => entry?.text ?? null)),
  );
  expect(logs.map((log) => JSON.stringify(log)).sort()).toEqual(
    [
      ["one", null, "two", "three"],
      ["one", null],
      [null, "two"],
    ]
      .map((log) => JSON.stringify(log))
      .sort(),
  );
});

test("a line longer than 1 MiB arrives in entries that are marked as continued", async () => {
  stage = await Stage.open({ fake: ["--log-lines", "0"] });
  const page = await follow();
  await stage.fake.write(web, `${"ä".repeat(900_000)}\nnext\n`);
  await until("the line after it", 20_000, () =>
    page.evaluate(() => pageLogs.entries["web/0"]?.at(-1)?.text === "next"),
  );
  const entries = await page.evaluate(() =>
    (pageLogs.entries["web/0"] ?? []).map((entry) => entry && [entry.text.length, entry.continues]),
  );
  expect(entries).toEqual([
    [524_288, true],
    [375_712, false],
    [4, false],
  ]);
});

test("a pod that was starting cut off the healthy ones", async () => {
  stage = await Stage.open({ fake: rest });
  const page = await follow();
  const { fake } = stage;
  await fake.write(web, "0\n");
  await has(page, "web/0", ["0"]);
  await fake.grow("web", true);
  const want = ["0"];
  for (let i = 1; i <= 12; i++) {
    await fake.write(web, `${i}\n`);
    want.push(String(i));
    await has(page, "web/0", want, 2_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  await fake.write({ service: "web", replica: 3 }, "here I am\n");
  await fake.started({ service: "web", replica: 3 });
  await until("the new pod's line", 15_000, () =>
    page.evaluate(() =>
      Object.values(pageLogs.entries).some((entries) =>
        entries.some((entry) => entry?.text === "here I am"),
      ),
    ),
  );
  expect(await told(page)).toEqual({ states: ["open"], gaps: [], ended: "" });
});

test("a rolling update lost the old pod's last lines, or never showed the new pod", async () => {
  stage = await Stage.open({ fake: rest });
  const page = await follow();
  const { fake } = stage;
  await fake.write(web, "one\n");
  await has(page, "web/0", ["one"]);
  await fake.replace(web, { update: true, starting: "3s", last: "bye\nbye bye\n" });
  await fake.write(web, "here I am\n");
  await until("the new pod's line", 15_000, () =>
    page.evaluate(() =>
      Object.values(pageLogs.entries).some((entries) =>
        entries.some((entry) => entry?.text === "here I am"),
      ),
    ),
  );
  const all = await page.evaluate(() =>
    Object.values(pageLogs.entries).flatMap((entries) => entries.map((entry) => entry?.text)),
  );
  expect(all.sort()).toEqual(["bye", "bye bye", "here I am", "one"]);
  expect(await told(page)).toEqual({ states: ["open"], gaps: [], ended: "" });
});
