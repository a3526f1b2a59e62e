// Everybody can use the dashboard, and it is light.

import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { createRequire } from "node:module";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Stage, until } from "./harness.js";

let stage: Stage;
let context: BrowserContext;
let page: Page;
let axe: string;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--providers", "3", "--log-lines", "200"] });
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});
afterAll(() => stage?.close());
afterEach(() => context?.close());

/** How people look at the page. A zoom of 200 % leaves half the pixels of 1280. */
const looks = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  "forced colours": { forcedColors: "active" },
  "a phone": { viewport: { width: 390, height: 844 }, colorScheme: "dark" },
  "320 pixels": { viewport: { width: 320, height: 640 } },
  "200 % zoom": { viewport: { width: 640, height: 360 }, deviceScaleFactor: 2 },
} as const;

/** The views, and what is there once they are complete. */
function views(): Record<string, { path: string; ready: string }> {
  const { provider, lease } = stage.fake.ready;
  const at = `/lease/${lease.owner}/${lease.dseq}/${lease.gseq}/${lease.oseq}/${provider}`;
  return {
    providers: { path: "/", ready: ".providers .dot.online" },
    provider: { path: `/provider/${provider}`, ready: ".card" },
    "signed in": { path: "/sign-in", ready: "main .facts" },
    leases: { path: "/leases", ready: "main section" },
    ...Object.fromEntries(
      ["services", "events", "logs", "manifest", "shell", "files"].map((tab) => [
        tab,
        { path: `${at}/${tab}`, ready: "main section h1" },
      ]),
    ),
    "sign in": { path: "/sign-in", ready: ".way" },
  };
}

async function open(look: object, path: string, at = stage): Promise<void> {
  context = await stage.browser.newContext({ viewport: { width: 1280, height: 800 }, ...look });
  page = await context.newPage();
  // With the owner's token, as a link of another program brings it.
  const { provider, lease, jwt } = stage.fake.ready;
  const { owner, dseq } = lease;
  const link = new URLSearchParams({ provider, owner, dseq: `${dseq}`, token: jwt });
  await page.goto(`${at.url}/#${link}`);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await page.evaluate((path) => {
    location.hash = path;
  }, path);
}

/** What axe finds in the page, and by how much the page is wider than the window. */
const look = () =>
  page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: axe-core's own global
    const { violations } = await (globalThis as any).axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return {
      violations: violations.map(
        (v: { id: string; nodes: { html: string; any: { message: string }[] }[] }) =>
          `${v.id}: ${v.nodes
            .slice(0, 3)
            .map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ""}`)
            .join(" | ")}`,
      ),
      wide: document.documentElement.scrollWidth - innerWidth,
    };
  });

describe.each(Object.entries(looks))("in %s", (_, how) => {
  test("no view violates a rule of axe, or is wider than the window", async () => {
    const found: Record<string, unknown> = {};
    await open(how, "/leases");
    await page.evaluate(axe);
    for (const [name, { path, ready }] of Object.entries(views())) {
      if (name === "sign in") await page.getByRole("button", { name: "Sign out" }).click();
      await page.evaluate((path) => {
        location.hash = path;
      }, path);
      await page.locator(ready).first().waitFor();
      const { violations, wide } = await look();
      if (violations.length > 0 || wide > 0) found[name] = { violations, wide };
    }
    expect(found).toEqual({});
  }, 120_000);
});

test.each(["light", "dark"] as const)(
  "what is old can be read as well, in %s",
  async (colorScheme) => {
    await using fresh = await stage.withNewBridge();
    const { services, logs } = views();
    await open({ colorScheme }, services?.path ?? "", fresh);
    await page.evaluate(axe);
    await page.getByText("3 of 3 ready").waitFor();
    await page.getByRole("tab", { name: "Logs" }).click();
    await page.locator(".log-row").first().waitFor();
    await fresh.bridge.kill();
    await page.locator(".log-mark.lost").waitFor();
    expect(await look(), logs?.path).toEqual({ violations: [], wide: 0 });
    await page.getByRole("tab", { name: "Services" }).click();
    await page.locator(".services.old").waitFor();
    expect(await look(), services?.path).toEqual({ violations: [], wide: 0 });
  },
);

test("bars and dots are there in forced colours, too", async () => {
  const { provider } = stage.fake.ready;
  await open({ forcedColors: "active" }, `/provider/${provider}`);
  await page.locator(".card .fill").first().waitFor();
  // Chromium gives the colours as they are used.
  const colours = (selector: string) =>
    page
      .locator(selector)
      .first()
      .evaluate((element) => {
        const { backgroundColor, borderTopWidth } = getComputedStyle(element);
        const canvas = getComputedStyle(document.querySelector("section") as Element);
        return {
          differs: backgroundColor !== canvas.backgroundColor,
          framed: Number.parseFloat(borderTopWidth) > 0,
        };
      });
  expect(await colours(".card .fill")).toMatchObject({ differs: true });
  expect(await colours(".card .bar")).toMatchObject({ framed: true });
  await page.getByRole("link", { name: "Providers" }).click();
  await page.locator(".dot.online").first().waitFor();
  expect(await colours(".dot.online")).toEqual({ differs: true, framed: true });
});

test("keys lead through the page, and ? lists them", async () => {
  await open({}, "/leases");
  await page.keyboard.press("g");
  await page.keyboard.press("p");
  await page.getByRole("searchbox").waitFor();
  await page.keyboard.press("/");
  await until("the search has the focus", 5_000, () =>
    page.evaluate(() => document.activeElement?.hasAttribute("data-find") ?? false),
  );
  await page.keyboard.type("g l?");
  expect(await page.getByRole("searchbox").inputValue()).toBe("g l?");
  await page.getByRole("heading", { level: 1 }).click();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  expect(await page.getByRole("dialog").innerText()).toContain("Go to the leases");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.keyboard.press("g");
  await page.keyboard.press("l");
  await page.waitForURL("**/#/leases");
});

/** The size of a file as it is transferred. */
const transferred = (path: string) =>
  new Promise<{ bytes: number; text: string }>((resolve, reject) => {
    request(
      new URL(path, stage.url),
      { headers: { "Accept-Encoding": "br" } },
      async (response) => {
        const body = Buffer.concat(await response.toArray());
        const text = await (await fetch(new URL(path, stage.url))).text();
        resolve({ bytes: body.length, text });
      },
    )
      .on("error", reject)
      .end();
  });

/** The size of a script with all that it imports at once, without what is known already. */
async function weigh(path: string, known: Set<string>): Promise<number> {
  if (known.has(path)) return 0;
  known.add(path);
  const { bytes, text } = await transferred(path);
  let sum = bytes;
  // What is imported by import() is loaded later.
  for (const [, name = ""] of text.matchAll(/(?:from|import)\s*"(\.[^"]+)"/g)) {
    sum += await weigh(new URL(name, new URL(path, stage.url)).pathname, known);
  }
  return sum;
}

/**
 * The budgets of what is more than a small view, in bytes: the package, which the view of
 * manifests also needs, the log, and the terminal.
 */
const budgets: Record<string, number> = {
  dist: 40_000,
  ManifestTab: 40_000,
  LogPanel: 20_000,
  terminal: 85_000,
};

test("the page is painted after 100 KB, and each view adds little", async () => {
  const page = await transferred("/");
  const style = await transferred("/app-style.css");
  const shell = new Set<string>();
  const first = page.bytes + style.bytes + (await weigh("/app.js", shell));
  const views: Record<string, number> = {};
  const look = async (path: string, known: Set<string>): Promise<void> => {
    const { text } = await transferred(path);
    for (const [, part = ""] of text.matchAll(/import\("(\.[^"]+)"\)/g)) {
      const later = new URL(part, new URL(path, stage.url)).pathname;
      const name = later.replace(/^\/chunks\/|-[A-Z0-9]{8}\.js$/g, "");
      if (name in views) continue;
      const loaded = new Set(known);
      views[name] = await weigh(later, loaded);
      await look(later, loaded); // what a view loads later itself
    }
  };
  await look("/app.js", shell);
  console.log(`first paint: ${first} bytes; views:`, views);
  expect(first).toBeLessThan(100_000);
  expect(Object.keys(views)).toContain("ProviderList");
  for (const [name, bytes] of Object.entries(views)) {
    const budget = budgets[name] ?? 12_000;
    expect(bytes, name).toBeLessThan(budget);
  }
});
