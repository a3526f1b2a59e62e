// What a tenant does in the dashboard, in every browser: with only what the drivers of
// test/browsers can do. What the other tests of the dashboard look at, they look at in
// Chromium.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { root, Stage, until } from "./harness.js";

declare global {
  /** The texts that the page's wallet is to sign, and what takes the signatures. */
  var asked: { text: string; signed: (signature: string) => void }[];
}

// Only a REST gateway verifies tokens.
let stage: Stage;
let page: Page;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--lease-rpc", "none", "--log-lines", "50"] });
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

const leasePath = (view: string) => {
  const { provider, lease } = stage.fake.ready;
  return `/lease/${lease.owner}/${lease.dseq}/${lease.gseq}/${lease.oseq}/${provider}/${view}`;
};

async function open(path: string, at = stage): Promise<void> {
  page = await at.browser.newPage();
  await page.goto(`${at.url}/#${path}`);
}

/** Goes to another view. */
const go = (path: string) =>
  page.evaluate((path) => {
    location.hash = path;
  }, path);

const at = () => page.evaluate(() => location.hash);

/** Waits until an element has a text. */
const shows = (selector: string, text: RegExp) =>
  until(`${selector} shows ${text}`, 30_000, async () =>
    (await page.locator(selector).allInnerTexts()).some((shown) => text.test(shown)),
  );

/** Writes into a field as somebody who types does, as far as React can tell. */
const fill = (selector: string, text: string) =>
  page.evaluate(
    ([selector, text]) => {
      const field = document.querySelector(selector);
      if (!field) throw new Error(`no ${selector}`);
      const { prototype } = field.constructor as typeof HTMLInputElement;
      Object.getOwnPropertyDescriptor(prototype, "value")?.set?.call(field, text);
      field.dispatchEvent(new Event("input", { bubbles: true }));
    },
    [selector, text] as const,
  );

const textOf = (selector: string) =>
  page.evaluate(
    (selector) => document.querySelector<HTMLTextAreaElement>(selector)?.value ?? "",
    selector,
  );

const tokenField = "input[name=token]";
const manifest = ".manifest textarea";

/** Signs in with a token in the view for that, and waits until the page has left it. */
async function signIn(token: string): Promise<void> {
  await page.locator(tokenField).waitFor();
  await fill(tokenField, token);
  await page.locator(`form:has(${tokenField}) button.primary`).click();
  await until("the page is elsewhere", 20_000, async () => (await at()) !== "#/sign-in");
}

/** Opens a part of the lease, signed in. */
async function openPart(view: string, of = stage): Promise<void> {
  await open(leasePath(view), of);
  await page.locator('main a[href="#/sign-in"]').click();
  await signIn(of.fake.ready.jwt);
  expect(await at()).toBe(`#${leasePath(view)}`);
}

test("a token is pasted as it was copied, and its lease's log is read", async () => {
  await open("/sign-in");
  const { provider, lease, jwt } = stage.fake.ready;
  await page.locator(tokenField).waitFor();
  await fill(tokenField, jwt.slice(0, 60));
  await page.locator(`form:has(${tokenField}) button.primary`).click();
  await shows(".problem", /a token has three parts/);

  const deployment = { dseq: Number(lease.dseq), scope: ["logs", "status"], services: ["web"] };
  const permissions = [{ provider, access: "granular", deployments: [deployment] }];
  const token = await stage.fake.token({ claims: { leases: { access: "granular", permissions } } });
  await signIn(`"Bearer ${token}"`);
  expect(await at()).toBe(`#${leasePath("logs")}`);
  await page.locator(".log-row").first().waitFor();
});

test("a wallet signs a token, which the provider verifies", async () => {
  await open(leasePath("logs"));
  const source = await readFile(join(root, "web/wallet-page.js"), "utf8");
  const address = JSON.stringify(stage.fake.ready.lease.owner);
  await page.evaluate(`(() => {
    ${source}
    globalThis.asked = [];
    const sign = (text) => new Promise((signed) => asked.push({ text, signed }));
    globalThis.keplr = demoWallet({ address: ${address}, name: "main", sign });
  })()`);
  await page.locator('main a[href="#/sign-in"]').click();
  await page.locator("button[value=keplr]").click();
  const text = await until("the wallet is asked", 20_000, () =>
    page.evaluate(() => asked[0]?.text),
  );
  const signature = await stage.fake.sign(text);
  await page.evaluate((signature) => asked.shift()?.signed(signature), signature);
  await page.locator(".log-row").first().waitFor();
  expect(await page.evaluate(() => JSON.stringify([{ ...localStorage }]))).toBe("[{}]");
});

test("services are shown, and that this provider cannot restart them", async () => {
  await openPart("services");
  await shows(".service", /web[\s\S]*3 of 3 ready/);
  await shows("main p", /cannot restart services/);
  expect(
    await page.evaluate(
      () => document.querySelector<HTMLButtonElement>(".service-head button")?.disabled,
    ),
  ).toBe(true);
});

test("a changed manifest is there after another view, and is checked while it is written", async () => {
  await openPart("manifest");
  const good = await until("it is read", 20_000, async () => {
    const text = await textOf(manifest);
    return text.includes('"dcloud"') && text;
  });
  await fill(manifest, good.replace("docker.io/library/web:1", ""));
  await shows(".problems li", /The service web needs an image/);
  const draft = good.replace("docker.io/library/web:1", "docker.io/library/web:2");
  await fill(manifest, draft);
  await go("/sign-in");
  await page.locator("main .facts").waitFor();
  await go(leasePath("manifest"));
  await shows("[aria-live=polite]", /changed, not sent/);
  expect(await textOf(manifest)).toBe(draft);
});

test("no view is wider than the window", async () => {
  await openPart("services");
  await page.locator(".service").first().waitFor();
  const { provider } = stage.fake.ready;
  const views = {
    ...Object.fromEntries(
      ["logs", "events", "shell", "files", "manifest"].map((tab) => [
        leasePath(tab),
        ".lease-parts",
      ]),
    ),
    [`/provider/${provider}`]: ".card",
    "/leases": ".leases",
    "/": ".table.providers .dot.online",
  };
  for (const [path, ready] of Object.entries(views)) {
    await go(path);
    await page.locator(ready).first().waitFor();
    const wide = () =>
      page.evaluate(() => {
        const list = document.querySelector(".table.providers");
        return (
          Math.max(0, document.documentElement.scrollWidth - innerWidth) +
          (list ? Math.max(0, list.scrollWidth - list.clientWidth) : 0)
        );
      });
    expect(await wide(), path).toBe(0);
  }
});

test("a log is searched, and its controls do what they say", async () => {
  await openPart("logs");
  await page.locator(".log-row").first().waitFor();
  await stage.fake.write({ service: "web", replica: 0 }, "one Needle\n\u001b[31mtwo\u001b[0m\n");
  await fill(".log-search input[type=search]", "needle");
  await shows(".log-found", /1 line matches/);
  await page.evaluate(() =>
    document.querySelector<HTMLInputElement>(".log-how input[type=checkbox]")?.click(),
  );
  await shows(".log-count", /^1 of \d+ lines$/);
  expect(await page.locator(".log-row:not(.away) .log-text").allInnerTexts()).toEqual([
    "one Needle",
  ]);
});

test("a bridge that is killed is said, with when the page tries again", async () => {
  await using fresh = await stage.withNewBridge();
  await openPart("logs", fresh);
  await page.locator(".log-row").first().waitFor();
  await fresh.bridge.kill();
  await shows(".log-state", /The connection is lost/);
  await shows(".retry", /Next try in \d+ s/);
  const again = await stage.fake.startBridge("--listen", new URL(fresh.url).host);
  try {
    await page.locator(".retry button").click();
    await shows(".log-mark", /Connected again after/);
    await shows(".log-state", /Following/);
  } finally {
    await again.stop();
  }
});
