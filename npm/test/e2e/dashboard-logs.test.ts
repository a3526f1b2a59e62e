// The dashboard's log view, with a real bridge and the fake provider behind it.

import { readFile } from "node:fs/promises";
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { TestserverReady } from "../../src/testing/index.js";
import { Stage, serviceLogs, until } from "./harness.js";

const lines = 6_000;
const web0 = { service: "web", replica: 0 };

let stage: Stage;
let page: Page;
let trouble: string[];

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--log-lines", String(lines)] });
});
afterAll(() => stage?.close());

afterEach(async () => {
  // The page's policy forbids what it does not need, so there must be no violation.
  expect(trouble).toEqual([]);
  await page.context().close();
});

interface Opened {
  width?: number;
  token?: string;
  /** Runs in the page before its scripts. */
  before?: () => void;
}

/** Opens the dashboard with a link to the lease's log, and waits until the log is read. */
async function open(at = stage, { width = 1200, token, before }: Opened = {}): Promise<void> {
  const { provider, lease, jwt } = at.fake.ready;
  const { owner, dseq, gseq, oseq } = lease;
  const context = await at.browser.newContext({
    viewport: { width, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
    timezoneId: "Asia/Tokyo",
  });
  page = await context.newPage();
  if (before) await page.addInitScript(before);
  trouble = [];
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(error.message));
  const fields = { provider, owner, dseq, gseq, oseq, token: token ?? jwt };
  const fragment = new URLSearchParams(
    Object.entries(fields).map(([name, value]) => [name, String(value)]),
  );
  await page.goto(`${at.url}/#${fragment}`);
}

const log = () => page.locator(".log-scroll[role=log]");
const row = (text: string | RegExp) => log().locator(".log-row:not(.away)", { hasText: text });
const status = () => page.locator(".log-state");
const count = () => page.locator(".log-count");
const texts = (rows: Locator) => rows.locator(".log-text").allTextContents();
const clipboard = () => page.evaluate(() => navigator.clipboard.readText());

/** Waits until a number of lines is shown as read. */
async function counted(want: number): Promise<void> {
  const text = want.toLocaleString("en");
  await until(`${text} lines`, 60_000, async () => {
    const shown = (await count().textContent()) ?? "";
    return shown === `${text} lines` || shown.endsWith(` of ${text} lines`);
  });
}

async function read(at = stage): Promise<number> {
  const total = (await at.fake.logs()).reduce((sum, log) => sum + log.lines, 0);
  await counted(total);
  return total;
}

/** The log of a replica, as a terminal shows it. */
async function wanted(of = web0): Promise<string> {
  const text = await stage.fake.log(of);
  return text.replace(/[^\n]*\r(?=[^\r\n]+\n)/g, "").replace(controls, "");
}

// Colours, also cut off by the line's end, and other control characters.
const controls =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  /\u001b(?:\[[0-9;]*(?:[a-zA-Z]|(?=\n))|(?=\n))|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Whether the last row is at the view's lower edge. */
const atEnd = () =>
  log().evaluate((scroller) => {
    const rows = scroller.querySelectorAll(".log-row:not(.away)");
    const bottom = rows[rows.length - 1]?.getBoundingClientRect().bottom ?? 0;
    const box = scroller.getBoundingClientRect();
    return Math.abs(bottom - (box.top + scroller.clientHeight)) < 4;
  });

/** The number of the first row in view. */
const firstRow = () =>
  log().evaluate(async (scroller) => {
    // What was done last is drawn in the next frame.
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
    const { top } = scroller.getBoundingClientRect();
    const rows = [...scroller.querySelectorAll<HTMLElement>(".log-row:not(.away)")];
    return Number(rows.find((row) => row.getBoundingClientRect().bottom > top + 1)?.dataset.line);
  });

test("a log is read at once, says what it is of, and ends when it is stopped or left", async () => {
  await open();
  await read();
  const { provider, lease } = stage.fake.ready;
  expect(await log().getAttribute("aria-label")).toBe(
    `Log of all services of lease ${lease.dseq} at ${provider}`,
  );
  expect(await page.locator(".log-of").textContent()).toContain(provider);
  expect(await status().textContent()).toContain("Following");
  expect(await stage.fake.open(serviceLogs)).toBe(1);

  await page.getByRole("button", { name: "Stop reading" }).click();
  const ended = async () => (await stage.fake.open(serviceLogs)) === 0;
  await until("the provider's stream is cancelled", 2_000, ended);
  expect(await status().textContent()).toContain("Stopped reading");

  // The button to begin anew does not restart the service.
  await page.getByRole("button", { name: "Read the log again" }).click();
  const reads = async () => (await stage.fake.open(serviceLogs)) === 1;
  await until("the log is read anew", 10_000, reads);
  const calls = (await stage.fake.requests()).map(({ method }) => method);
  expect(calls.filter((method) => /restart/i.test(method))).toEqual([]);
  await page.getByRole("link", { name: "Providers" }).click();
  await until("the log of a lease that is not shown is not read", 2_000, ended);
});

test("a line shows its colours, last state, level and links, and no markup", async () => {
  await open();
  await read();
  const esc = "\u001b";
  await stage.fake.write(
    web0,
    [
      `${esc}[31mred${esc}[0m ${esc}[38;2;0;120;255mblue${esc}[0m ${esc}[2Kplain <b>b</b>`,
      "loading 10%\rloading 50%\rloading 100%",
      "ERROR see https://example.com/a?b=c. or javascript:alert(1)",
      "שלום עולם 日本語 😀",
      `long ${"x".repeat(5_000)} end`,
      "",
    ].join("\n"),
  );
  const colours = row("plain <b>b</b>");
  await colours.waitFor();
  expect(await texts(colours)).toEqual(["red blue plain <b>b</b>"]);
  expect(await colours.locator("b").count()).toBe(0);
  expect(await colours.locator(".fg-red").textContent()).toBe("red");
  expect(await colours.locator(".fg-blue").textContent()).toBe("blue");
  expect(await texts(row("loading"))).toEqual(["loading 100%"]);
  const error = row("ERROR see");
  expect(await error.getAttribute("data-level")).toBe("error");
  const link = error.getByRole("link");
  expect(await link.count()).toBe(1);
  expect(await link.getAttribute("href")).toBe("https://example.com/a?b=c");
  expect(await link.getAttribute("rel")).toContain("noopener");
  const hebrew = row("日本語").locator(".log-text");
  expect(await hebrew.evaluate((text) => getComputedStyle(text).direction)).toBe("rtl");

  const long = row(/long x/);
  expect((await texts(long))[0]).toHaveLength(2_000);
  await long.getByText("more characters").click();
  expect((await texts(row(/long x/)))[0]).toHaveLength(5_009);
});

test("JSON is indented, and times are shown as local time or UTC, on demand", async () => {
  await open();
  await read();
  await stage.fake.write(
    web0,
    '{"level":"warn","time":"2026-01-02T20:04:05Z","dseq":12345678901234567890}\n' +
      "2026-01-02T20:04:05.678Z started\nno time here\n",
  );
  const json = row("12345678901234567890");
  await json.waitFor();
  await json.getByRole("button", { name: "Show as indented JSON" }).click();
  expect((await texts(json))[0]).toBe(
    '{\n  "level": "warn",\n  "time": "2026-01-02T20:04:05Z",\n  "dseq": 12345678901234567890\n}',
  );
  await json.getByRole("button", { name: "as it is written" }).click();

  await page.getByLabel("Times").selectOption("utc");
  await row("started").waitFor();
  expect(await row("started").locator(".log-time").textContent()).toBe("2026-01-02 20:04:05.678Z");
  expect(await texts(row("started"))).toEqual(["started"]);
  expect(await row("12345678901234567890").locator(".log-time").textContent()).toBe(
    "2026-01-02 20:04:05.000Z",
  );
  expect(await row("no time here").locator(".log-time.arrived").count()).toBe(1);
  await page.getByLabel("Times").selectOption("local");
  await row("started").waitFor();
  expect(await row("started").locator(".log-time").textContent()).toBe("2026-01-03 05:04:05.678");
});

test("a search hides nothing, heeds no case, counts, and goes from match to match", async () => {
  await open();
  const total = (await read()) + 3;
  await stage.fake.write(web0, "first Needle\nsecond nEEdle needle\nthird\n");
  await counted(total);
  await log().focus();
  await page.keyboard.press("/");
  await page.keyboard.type("needle");
  const found = page.locator(".log-found");
  await until(
    "two lines found",
    10_000,
    async () => (await found.textContent()) === "2 lines match",
  );
  await counted(total);
  await until("matches are marked", 5_000, async () => (await log().locator("mark").count()) === 3);

  await page.keyboard.press("Enter");
  await until("at the first", 5_000, async () => (await found.textContent()) === "1 of 2");
  expect(await texts(log().locator(".current"))).toEqual(["first Needle"]);
  await page.keyboard.press("Enter");
  await until("at the second", 5_000, async () => (await found.textContent()) === "2 of 2");
  await log().focus();
  await page.keyboard.press("N");
  await until("back at the first", 5_000, async () => (await found.textContent()) === "1 of 2");

  await page.getByRole("button", { name: "Match case" }).click();
  await until("one line found", 5_000, async () => /1/.test((await found.textContent()) ?? ""));
  await page.getByLabel("Only matching lines").check();
  await until("the rest is hidden", 5_000, async () =>
    (await count().textContent())?.startsWith("1 of "),
  );
  expect(await texts(log().locator(".log-row"))).toEqual(["second nEEdle needle"]);
});

test("a regular expression that takes for ever is stopped, and the page goes on", async () => {
  await open();
  await read();
  await stage.fake.write(web0, `${"a".repeat(60)}b\n`);
  await page.getByRole("button", { name: "Regular expression" }).click();
  await page.getByRole("searchbox", { name: "Find" }).fill("^(a+)+$");
  await page.getByText("takes too long").waitFor();
  await stage.fake.write(web0, "still here\n");
  await row("still here").waitFor();
  await page.getByRole("searchbox", { name: "Find" }).fill("^still h[aeiou]re$");
  await until("the next one works", 5_000, async () =>
    (await page.locator(".log-found").textContent())?.includes("1 line matches"),
  );
  await page.getByRole("searchbox", { name: "Find" }).fill("(");
  await page.getByText("not a regular expression").waitFor();
});

test("lines are filtered by replica and level, and shown side by side", async () => {
  await open();
  const total = (await read()) + 3;
  await stage.fake.write(web0, "FATAL one\nDEBUG two\nERROR three\n");
  await counted(total);
  await page.locator("summary", { hasText: "Levels" }).click();
  for (const level of ["no level", "trace", "debug", "info", "warn", "error"]) {
    await page.getByRole("checkbox", { name: new RegExp(`^${level} `) }).uncheck();
  }
  await page.keyboard.press("Escape");
  const rows = log().locator(".log-row");
  await until(
    "one line",
    5_000,
    async () => (await rows.count()) >= 1 && (await count().textContent())?.startsWith("1 of"),
  );
  expect(await texts(rows)).toEqual(["FATAL one"]);
  await page.locator("summary", { hasText: "Replicas" }).click();
  await page.getByRole("checkbox", { name: /^web-0 / }).uncheck();
  await page.getByText("No line passes the filter").waitFor();
  await page.getByRole("checkbox", { name: /^web-0 / }).check();
  await page.keyboard.press("Escape");

  await page.getByLabel("Layout").selectOption("columns");
  const columns = page.locator(".log-column");
  expect(await columns.locator(".log-column-name").allTextContents()).toEqual(
    expect.arrayContaining(["web-0", "web-1", "db-0"]),
  );
  const first = columns.filter({ has: page.locator(".log-column-name", { hasText: "web-0" }) });
  await first.getByText("FATAL one").waitFor();
  expect(await columns.getByText("FATAL one").count()).toBe(1);
});

describe("while lines arrive", () => {
  const rate = (perSecond: number) =>
    fetch(`${stage.fake.ready.control}/rate?lines=${perSecond}`, { method: "POST" });
  afterEach(() => rate(0));

  test("who scrolls up stays there, and Ctrl+End goes to the end and follows", async () => {
    await open();
    await read();
    await rate(500);
    await log().hover();
    await page.mouse.wheel(0, -2_000);
    const more = page.getByRole("button", { name: /new lines?$/ });
    await more.waitFor();
    const before = await firstRow();
    await until(
      "hundreds of new lines",
      10_000,
      async () => Number.parseInt(((await more.textContent()) ?? "").replace(",", ""), 10) > 300,
    );
    expect(await firstRow()).toBe(before);

    await log().focus();
    await page.keyboard.press("Control+End");
    await until("at the end", 2_000, atEnd);
    const there = await firstRow();
    await until(
      "it follows",
      5_000,
      async () => (await firstRow()) > there + 300 && (await atEnd()),
    );
    expect(await more.count()).toBe(0);

    await page.keyboard.press("Control+Home");
    await until("at the beginning", 2_000, async () => (await firstRow()) === 0);
    await page.getByRole("button", { name: /new lines?$|Go to the end/ }).click();
    await until("at the end again", 2_000, atEnd);
  });

  test("a selection keeps its text, and what is copied is the lines' text", async () => {
    await open();
    const total = (await read()) + 3;
    await stage.fake.write(web0, "alpha one\n\u001b[32mbeta\u001b[0m two\ngamma three\n");
    await counted(total);
    await row("gamma three").scrollIntoViewIfNeeded();
    const middle = async (text: string) => {
      const box = await row(text).locator(".log-text").boundingBox();
      if (!box) throw new Error(`no ${text}`);
      return box;
    };
    const from = await middle("alpha one");
    const to = await middle("gamma three");
    await page.mouse.move(from.x + 1, from.y + from.height / 2);
    await page.mouse.down();
    await page.mouse.move(to.x + to.width - 1, to.y + to.height / 2, { steps: 5 });
    await page.mouse.up();
    await rate(2_000);
    const more = page.getByRole("button", { name: /new lines$/ });
    await until(
      "thousands of new lines",
      20_000,
      async () => Number.parseInt(((await more.textContent()) ?? "0").replace(",", ""), 10) > 2_000,
    );
    await page.keyboard.press("Control+c");
    expect(await clipboard()).toBe("alpha one\nbeta two\ngamma three");

    // Even if its rows are far away.
    await log().hover();
    await page.mouse.wheel(0, -3_000);
    await until("they are out of sight", 5_000, async () => (await row("alpha one").count()) === 0);
    await page.keyboard.press("Control+c");
    expect(await clipboard()).toBe("alpha one\nbeta two\ngamma three");
  });

  test("Ctrl+A selects all lines, not only those in view", async () => {
    await open();
    await read();
    await page.locator("summary", { hasText: "Replicas" }).click();
    for (const box of await page.getByRole("checkbox", { name: /^(web-[12]|db-)/ }).all()) {
      await box.uncheck();
    }
    await page.keyboard.press("Escape");
    await log().focus();
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Control+c");
    expect(await clipboard()).toBe(await wanted());
  });
});

describe("a saved log", () => {
  /** The lines of one replica in a saved file. */
  const ofWeb0 = (file: string) =>
    file
      .split("\n")
      .filter((line) => line.startsWith("web-0 "))
      .map((line) => `${line.slice("web-0 ".length)}\n`)
      .join("");

  test("has all lines, also where the browser only has downloads", async () => {
    await open(stage, { before: () => Reflect.deleteProperty(globalThis, "showSaveFilePicker") });
    const total = await read();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download", exact: true }).click();
    const file = await readFile(await (await download).path(), "utf8");
    expect(ofWeb0(file)).toBe(await wanted());
    expect(file.split("\n").length - 1).toBe(total);
  });

  test("is written to a file piece by piece, all of it or what is shown", async () => {
    // A file of the page's own, instead of one that a person picks.
    await open(stage, {
      before: () => {
        Object.assign(globalThis, {
          showSaveFilePicker: async () =>
            (await navigator.storage.getDirectory()).getFileHandle("log", { create: true }),
        });
      },
    });
    await read();
    const saved = () =>
      page.evaluate(async () => {
        const folder = await navigator.storage.getDirectory();
        return (await (await folder.getFileHandle("log")).getFile()).text();
      });
    await page.getByRole("button", { name: "Download", exact: true }).click();
    await page.getByText(/^Saved [\d,]+ lines$/).waitFor();
    expect(ofWeb0(await saved())).toBe(await wanted());

    await stage.fake.write(web0, "a needle in a haystack\n");
    await page.getByRole("searchbox", { name: "Find" }).fill("needle in a");
    await page.getByLabel("Only matching lines").check();
    await page.getByRole("button", { name: "Download shown lines" }).click();
    await page.getByText("Saved 1 line").waitFor();
    expect(await saved()).toBe("web-0 a needle in a haystack\n");
  });
});

test("everything can be done by keyboard", async () => {
  await open();
  const total = (await read()) + 2;
  await stage.fake.write(web0, 'one\n{"a":1}\n');
  await counted(total);
  await log().focus();
  await page.keyboard.press("ArrowUp");
  expect(await texts(log().locator(".log-row:focus"))).toEqual(['{"a":1}']);
  await page.keyboard.press("Enter");
  expect(await texts(log().locator(".log-row:focus"))).toEqual(['{\n  "a": 1\n}']);
  await page.keyboard.press("Shift+ArrowUp");
  await page.keyboard.press("Control+c");
  expect(await clipboard()).toBe('one\n{"a":1}');
  await page.keyboard.press("Escape");
  const before = await firstRow();
  await page.keyboard.press("PageUp");
  await until("a page up", 2_000, async () => (await firstRow()) < before - 5);
  await page.keyboard.press("End");
  await until("at the end", 2_000, atEnd);
});

test("screen readers hear now and then how much is new, unless that is off", async () => {
  await open();
  await read();
  expect(await log().getAttribute("aria-live")).toBe("off");
  const summary = page.locator(".log-viewer > [role=status]");
  const told: string[] = [];
  await page.exposeFunction("told", (text: string) => told.push(text));
  await summary.evaluate((region) => {
    const { told } = globalThis as unknown as { told: (text: string) => void };
    new MutationObserver(() => told(region.textContent ?? "")).observe(region, {
      childList: true,
      characterData: true,
      subtree: true,
    });
  });
  for (let i = 0; i < 20; i++) await stage.fake.write(web0, `ERROR ${i}\n`);
  await until("a summary", 15_000, async () => told.some((text) => text.includes("new lines")));
  expect(told.filter((text) => text !== "").length).toBe(1);
  expect(told.at(-1)).toMatch(/ new lines, \d+ with errors/);
  await page.getByLabel("Announce new lines").uncheck();
  expect(await page.getByLabel("Announce new lines").isChecked()).toBe(false);
});

test("a log goes on behind another part of the lease, and keeps its place", async () => {
  await open();
  await read();
  for (const follows of [true, false]) {
    if (!follows) {
      await log().focus();
      for (let i = 0; i < 5; i++) await page.keyboard.press("PageUp");
    }
    const place = await firstRow();
    await page.getByRole("tab", { name: "Events" }).click();
    await page.locator(".log-scroll").waitFor({ state: "hidden" });
    await stage.fake.write(web0, "meanwhile\n");
    await page.getByRole("tab", { name: "Logs" }).click();
    if (follows) await row("meanwhile").waitFor();
    else await page.getByRole("button", { name: "1 new line" }).waitFor();
    if (follows) await until("at the end", 2_000, atEnd);
    else expect(await firstRow()).toBe(place);
  }
});

test("a phone shows the whole text of a line, and nothing is wider than the page", async () => {
  for (const width of [390, 320]) {
    await open(stage, { width });
    await read();
    const text = `begin ${"word ".repeat(60)}end`;
    await stage.fake.write(web0, `${text}\n`);
    const last = row(/begin word.*end/).last();
    await last.waitFor();
    const box = await last.evaluate((element) => ({
      right: element.querySelector(".log-text")?.getBoundingClientRect().right ?? 0,
      inner: innerWidth,
      page: document.documentElement.scrollWidth,
      log: element.closest(".log-scroll")?.scrollWidth ?? 0,
      width: element.closest(".log-scroll")?.clientWidth ?? 0,
    }));
    expect(box.right).toBeLessThanOrEqual(width);
    expect(box.page).toBeLessThanOrEqual(box.inner);
    expect(box.log).toBeLessThanOrEqual(box.width);
    await until("at the end", 2_000, atEnd);
    if (width === 390) await page.context().close();
  }
});

test("on a phone the controls of a log are two lines, and the rest is unfolded by keyboard", async () => {
  await open(stage, { width: 390 });
  await read();
  const tools = page.locator(".log-tools");
  const height = async () => (await tools.boundingBox())?.height ?? 0;
  expect(await height()).toBeLessThan(80);
  const more = page.getByRole("button", { name: "More", exact: true });
  const levels = page.locator("summary", { hasText: "Levels" });
  expect(await levels.isVisible()).toBe(false);
  await page.getByRole("searchbox", { name: "Find" }).focus();
  // The steps to matches are disabled as long as nothing is searched for.
  await page.keyboard.press("Tab");
  expect(await more.evaluate((button) => document.activeElement === button)).toBe(true);
  await page.keyboard.press("Enter");
  expect(await more.getAttribute("aria-expanded")).toBe("true");
  await levels.waitFor();
  for (const label of ["Wrap lines", "Times", "Layout", "Keep", "Announce new lines"]) {
    expect(await page.getByLabel(label).isVisible(), label).toBe(true);
  }
  const controlled = ((await more.getAttribute("aria-controls")) ?? "").split(" ");
  for (const id of controlled) expect(await page.locator(`[id="${id}"]`).isVisible()).toBe(true);
  await page.keyboard.press("Enter");
  expect(await levels.isVisible()).toBe(false);

  // So is the choice of what is read.
  const service = page.getByLabel("Service", { exact: true });
  expect(await service.isVisible()).toBe(false);
  await page.getByRole("button", { name: "What to read" }).press("Enter");
  await service.waitFor();
});

/** Opens the log with a provider and a bridge of their own, which may be killed. */
async function openOwn(fake: string[] = [], token?: (ready: TestserverReady) => string) {
  const own = await Stage.open({ fake: ["--log-lines", "1000", ...fake] });
  if (token) {
    const jwt = token(own.fake.ready);
    await open(own, { token: jwt });
  } else await open(own);
  return Object.assign(own, { [Symbol.asyncDispose]: () => own.close() });
}

/** The marks in the log, without their times. */
const marks = (kind: string) => log().locator(`.log-mark.${kind}:not(.away)`);

test("a bridge that is killed is no idle log: it is said, drawn, and the log goes on", async () => {
  await using own = await openOwn();
  const total = await read(own);
  await own.bridge.kill();
  await page.getByText("The connection is lost. Reconnecting…").waitFor();
  await marks("lost").getByText("The connection broke").waitFor();
  for (const replica of [0, 1]) await own.fake.write({ service: "web", replica }, "meanwhile\n");

  const again = await own.fake.startBridge("--listen", new URL(own.bridge.url).host);
  try {
    await row("meanwhile").nth(1).waitFor({ timeout: 30_000 });
    await marks("again").getByText("Connected again after").waitFor();
    expect(await status().textContent()).toContain("Following");
    // Two marks, and no line twice.
    await counted(total + 2 + 2);
  } finally {
    await again.stop();
  }
  trouble = trouble.filter((text) => !text.includes("net::ERR_CONNECTION"));
});

test("while a log reconnects, the seconds until the next try are shown, and one can try at once", async () => {
  await using own = await openOwn();
  await read(own);
  await page.clock.install();
  await own.bridge.kill();
  const retry = page.locator(".retry");
  // The page's clock goes on by two seconds and stands still, so that it does not try by itself.
  await retry.getByText(/Next try in ([5-9]|10) s/).waitFor({ timeout: 60_000 });
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 2_000));
  await retry.getByText(/Next try in \d s/).waitFor();
  const spoken = page.locator("[role=status], [role=alert], [aria-live=polite]");
  for (const text of await spoken.allTextContents()) expect(text).not.toContain("Next try");

  const again = await own.fake.startBridge("--listen", new URL(own.bridge.url).host);
  try {
    expect(await own.fake.open(serviceLogs)).toBe(0);
    await retry.getByRole("button", { name: "Try now" }).click();
    await until("the log is read", 20_000, async () => (await own.fake.open(serviceLogs)) === 1);
    await page.clock.resume();
    await marks("again").getByText("Connected again after").waitFor();
    await retry.waitFor({ state: "detached" });
  } finally {
    await again.stop();
  }
  trouble = trouble.filter((text) => !text.includes("net::ERR_CONNECTION"));
});

test("a provider that is killed is said, with its reason, and the log goes on after it", async () => {
  await using own = await openOwn();
  await read(own);
  await own.fake.crash();
  await marks("lost").getByText("The connection broke").waitFor({ timeout: 30_000 });
  expect(await page.locator(".log-state").getAttribute("data-phase")).toBe("reconnecting");
  await own.fake.revive();
  await own.fake.write(web0, "alive again\n");
  await row("alive again").waitFor({ timeout: 30_000 });
  await marks("again").first().waitFor();
});

test("a place where lines may be missing is drawn in the log", async () => {
  await using own = await openOwn(["--lease-rpc", "none"]);
  await read(own);
  await own.fake.write(web0, `before\n${"x".repeat(70_000)}\nafter\n`);
  await row("after").waitFor({ timeout: 30_000 });
  const gap = marks("gap").getByText("Lines may be missing here.");
  await gap.waitFor();
  const order = await log().locator(".log-row:not(.away) .log-text").allTextContents();
  const at = order.indexOf("Lines may be missing here.");
  expect(order.indexOf("before")).toBeLessThan(at);
  expect(order.indexOf("after")).toBeGreaterThan(at);
});

test("a pod that is replaced is drawn in the log, and those of before are not", async () => {
  await using own = await openOwn();
  await read(own);
  const told = async () =>
    (await own.fake.requests()).filter(({ method }) => /event/i.test(method)).length;
  await until("events are followed", 10_000, async () => (await told()) >= 2);
  const { pod } = await own.fake.replace(web0, { last: "last words\n" });
  await marks("restart").getByText(`${pod}: Started`).waitFor({ timeout: 30_000 });
  await marks("restart")
    .getByText(/: Killing\. Stopping container web/)
    .waitFor();
  expect(await marks("restart").getByText("Started").count()).toBe(1);
});

test("the number of last lines is heeded over REST, and cannot be chosen over gRPC, which is said", async () => {
  await using own = await openOwn(["--lease-rpc", "none"]);
  await read(own);
  await page.getByLabel("Last lines").fill("10");
  await page.getByRole("button", { name: "Read the log again" }).click();
  await counted(10 * (await own.fake.logs()).length);
  expect(await page.getByText("cannot leave out old lines").count()).toBe(0);
  await page.context().close();

  await open();
  await read();
  await page.getByText("cannot leave out old lines").waitFor();
  const tail = page.getByLabel("Last lines");
  expect(await tail.isDisabled()).toBe(true);
  const why = await tail.getAttribute("aria-describedby");
  expect(await page.locator(`[id="${why}"]`).textContent()).toContain("over gRPC");
});

test("why a log cannot be read is said, and it can be tried again", async () => {
  // Only a REST gateway checks tokens.
  await using own = await openOwn(["--lease-rpc", "none"], ({ expiredJwt }) => expiredJwt);
  const notice = page.locator("[role=alert] .notice");
  await notice.waitFor();
  const { provider, expiredJwt } = own.fake.ready;
  expect(await notice.innerText()).toContain(provider);
  expect(await notice.innerText()).not.toContain(expiredJwt);
  expect(await notice.innerText()).toMatch(/paste a new token/i);
  await notice.getByRole("button", { name: "Try again" }).click();
  await notice.waitFor();
  await marks("error").first().waitFor();
});

test("a long log stays within its limits of memory and elements", {
  timeout: 120_000,
}, async () => {
  await using own = await openOwn(["--log-lines", "300000"]);
  await read(own);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("HeapProfiler.collectGarbage");
  // What is kept is the text; the module and the page take the rest.
  const { usedSize, ...rest } = await cdp.send("Runtime.getHeapUsage");
  const { backingStorageSize = 0 } = rest as { backingStorageSize?: number };
  const text = (await own.fake.logs()).reduce((sum, { bytes }) => sum + bytes, 0);
  expect(usedSize + backingStorageSize).toBeLessThan(1.5 * text + 60_000_000);
  expect(await log().locator(".log-row").count()).toBeLessThan(120);

  // Every part of it can be reached, also where it is higher than browsers allow.
  for (const width of [1200, 390]) {
    await page.setViewportSize({ width, height: 900 });
    if (width === 390) await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByLabel("Wrap lines").setChecked(width === 390);
    await log().focus();
    await page.keyboard.press("Control+Home");
    await until("at the beginning", 5_000, async () => (await firstRow()) === 0);
    await log().evaluate((scroller) => {
      scroller.scrollTop = scroller.scrollHeight / 2;
    });
    await until(
      "in the middle",
      5_000,
      async () => Math.abs((await firstRow()) - 150_000) < 15_000,
    );
    const middle = await firstRow();
    for (let i = 0; i < 20; i++) await page.keyboard.press("PageDown");
    await until("some pages further", 5_000, async () => {
      const further = (await firstRow()) - middle;
      return further > 50 && further < 1_500;
    });
    for (let i = 0; i < 20; i++) await page.keyboard.press("PageUp");
    await until("back", 5_000, async () => Math.abs((await firstRow()) - middle) < 60);
    await page.keyboard.press("Control+End");
    await until("at the end", 5_000, atEnd);
  }
});
