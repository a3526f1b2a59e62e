// What the dashboard's log view costs: a million lines, and 10,000 a second. It runs where
// it is asked for: `make dashboard-figures`, and `make dashboard-soak` for the long one. Times are those of this machine, with what else
// runs on it: beside the time that passed, the processor's time of a task is printed.

import type { Page } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { Stage, until } from "./harness.js";

const asked = Boolean(process.env.FIGURES);
const lines = 1_000_000;
/** How long ten logs are followed, and at how many lines a second each. */
const minutes = Number(process.env.MINUTES ?? 10);
const soakRate = 200;

let stage: Stage;
let page: Page;

afterAll(() => stage?.close());

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** In microseconds. */
  dur?: number;
  tdur?: number;
  args: { name?: string };
}

/** Traces the page's tasks while something happens: the longest, in milliseconds. */
async function tasks(during: () => Promise<void>) {
  await stage.browser.startTracing(page, { categories: ["toplevel"] });
  await during();
  const { traceEvents } = JSON.parse((await stage.browser.stopTracing()).toString()) as {
    traceEvents: TraceEvent[];
  };
  const main = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const run = traceEvents.filter(
    ({ name, pid, tid }) => name === "ThreadControllerImpl::RunTask" && main.has(`${pid} ${tid}`),
  );
  expect(run).not.toHaveLength(0);
  const over = (times: (number | undefined)[]) =>
    times.map((time = 0) => time / 1000).filter((ms) => ms > 50).length;
  const longest = (times: (number | undefined)[]) =>
    Math.round(times.reduce<number>((most, time = 0) => Math.max(most, time / 1000), 0));
  const [wall, cpu] = [run.map(({ dur }) => dur), run.map(({ tdur }) => tdur)];
  return {
    tasks: run.length,
    over50ms: over(wall),
    longestMs: longest(wall),
    over50msOfProcessor: over(cpu),
    longestMsOfProcessor: longest(cpu),
  };
}

/** The times between frames while the log is scrolled by a step in each. */
const frames = (step: number, count = 240) =>
  page.getByRole("log").evaluate(
    async (scroller, [step, count]) => {
      const frame = () => new Promise<number>(requestAnimationFrame);
      const times: number[] = [];
      for (let i = 0, last = await frame(); i < count; i++) {
        scroller.scrollTop += step;
        const now = await frame();
        times.push(now - last);
        last = now;
      }
      times.sort((a, b) => a - b);
      const at = (share: number) => Math.round((times[Math.floor(count * share)] ?? 0) * 10) / 10;
      return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
    },
    [step, count] as const,
  );

async function heap(): Promise<number> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize, ...rest } = await cdp.send("Runtime.getHeapUsage");
  await cdp.detach();
  return usedSize + ((rest as { backingStorageSize?: number }).backingStorageSize ?? 0);
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
const say = (what: string, figures: unknown) => console.log(what, JSON.stringify(figures));
const rate = (perSecond: number) =>
  fetch(`${stage.fake.ready.control}/rate?lines=${perSecond}`, { method: "POST" });
const count = () => page.locator(".log-count");
const kept = async () =>
  Number(/[\d,]+/.exec((await count().textContent()) ?? "")?.[0].replaceAll(",", ""));

test.skipIf(!asked)("a million lines", { timeout: 600_000 }, async () => {
  stage = await Stage.open({ fake: ["--log-lines", String(lines)] });
  const { provider, lease, jwt } = stage.fake.ready;
  const { owner, dseq, gseq, oseq } = lease;
  page = await stage.browser.newPage({ viewport: { width: 1200, height: 900 } });
  const fields = { provider, owner, dseq, gseq, oseq, token: jwt };
  const fragment = new URLSearchParams(
    Object.entries(fields).map(([name, value]) => [name, String(value)]),
  );
  const start = performance.now();
  await page.goto(`${stage.url}/#${fragment}`);
  await until("all lines", 300_000, async () => (await kept()) === lines);
  say("reading them, seconds:", Math.round((performance.now() - start) / 100) / 10);
  const used = await heap();
  say("heap and buffers:", megabytes(used));
  expect(used).toBeLessThan(300e6);

  const scroll = async (name: string, step: number) => {
    let times: unknown;
    const spent = await tasks(async () => {
      times = await frames(step);
    });
    say(`scrolling, ${name}, milliseconds between frames:`, { ...(times as object), ...spent });
  };
  await scroll("by wheel", -240);
  await scroll("by scrollbar", -20_000);
  await page.getByLabel("Wrap lines").check();
  await scroll("wrapped", 240);
  await page.getByLabel("Wrap lines").uncheck();

  const search = page.getByRole("searchbox", { name: "Find" });
  const found = page.locator(".log-found");
  const searched = performance.now();
  say(
    "searching all of them:",
    await tasks(async () => {
      await search.fill("cache miss");
      await until("searched", 60_000, async () => {
        const text = (await found.textContent()) ?? "";
        return text.includes("match") && !text.includes("searched");
      });
    }),
  );
  say("searching, seconds:", Math.round((performance.now() - searched) / 100) / 10);
  await search.fill("");
  await page.locator("summary", { hasText: "Levels" }).click();
  say(
    "filtering by level:",
    await tasks(async () => {
      await page.getByRole("checkbox", { name: /^info / }).uncheck();
      await until("filtered", 30_000, async () => / of /.test((await count().textContent()) ?? ""));
    }),
  );
  await page.getByRole("checkbox", { name: /^info / }).check();
  await page.keyboard.press("Escape");

  await page.getByRole("log").focus();
  await page.keyboard.press("Control+End");
  await rate(10_000);
  const before = performance.now();
  const first = await page.locator(".log-row").last().getAttribute("data-line");
  say("following 10,000 lines a second:", await tasks(() => page.waitForTimeout(20_000)));
  const last = await page.locator(".log-row").last().getAttribute("data-line");
  say(
    "lines a second:",
    Math.round((Number(last) - Number(first)) / ((performance.now() - before) / 1000)),
  );
  expect(await heap()).toBeLessThan(300e6);
  expect(await kept()).toBeLessThanOrEqual(lines);
  say("heap and buffers:", megabytes(await heap()));

  // Who reads the oldest line keeps it: the log is read no further, and this is said.
  await page.keyboard.press("Control+Home");
  await page.getByText("you are reading its oldest lines").waitFor({ timeout: 60_000 });
  let held = 0;
  await until("what was on its way is there", 10_000, async () => {
    held = await kept();
    await page.waitForTimeout(500);
    return (await kept()) === held;
  });
  const oldest = await page.locator(".log-row:not(.away)").first().getAttribute("data-line");
  await page.waitForTimeout(2_000);
  expect(await kept()).toBe(held);
  expect(await page.locator(".log-row:not(.away)").first().getAttribute("data-line")).toBe(oldest);
  await page.keyboard.press("Control+End");
  await until(
    "it goes on",
    10_000,
    async () => await page.getByText("you are reading its oldest lines").isHidden(),
  );
  await rate(0);
});

// Ten logs in ten tabs, as somebody leaves them open: the memory that they take does not
// grow once each has as many lines as it keeps.
test.skipIf(!asked)(
  "ten logs are followed for long, in memory that does not grow",
  { timeout: (2 * minutes + 10) * 60_000 },
  async () => {
    const own = await Stage.open({ fake: ["--log-lines", "20000"] });
    try {
      const { provider, lease, jwt, control } = own.fake.ready;
      const { owner, dseq, gseq, oseq } = lease;
      const fields = { provider, owner, dseq, gseq, oseq, token: jwt };
      const fragment = new URLSearchParams(
        Object.entries(fields).map(([name, value]) => [name, String(value)]),
      );
      const pages: Page[] = [];
      for (let i = 0; i < 10; i++) {
        const tab = await own.browser.newPage();
        pages.push(tab);
        await tab.goto(`${own.url}/#${fragment}`);
        await tab.getByLabel("Keep").selectOption({ label: "10,000 lines" });
      }
      await fetch(`${control}/rate?lines=${soakRate}`, { method: "POST" });
      const total = async () => {
        let sum = 0;
        for (page of pages) sum += await heap();
        return sum;
      };
      const newest = (tab: Page) =>
        tab.locator(".log-row").last().getAttribute("data-line", { timeout: 60_000 });
      const samples: number[] = [];
      const start = performance.now();
      const passed = () => (performance.now() - start) / 60_000;
      do {
        const before = await Promise.all(pages.map(newest));
        await pages[0]?.waitForTimeout(30_000);
        const now = await Promise.all(pages.map(newest));
        // All of them are still followed.
        for (const [i, line] of now.entries()) {
          expect(Number(line)).toBeGreaterThan(Number(before[i]));
        }
        samples.push(await total());
        say(`after ${passed().toFixed(1)} minutes:`, {
          heap: megabytes(samples.at(-1) ?? 0),
          newest: now[0],
        });
      } while (passed() < minutes);
      const [first = 0] = samples;
      expect(Math.max(...samples)).toBeLessThan(first * 1.1 + 5e6);
      for (const tab of pages) {
        expect(await tab.locator(".log-count").textContent()).toMatch(/^last (9,\d|10,0)/);
        expect(await tab.locator(".log-row").count()).toBeLessThan(120);
        await tab.close();
      }
    } finally {
      await own.close();
    }
  },
);
