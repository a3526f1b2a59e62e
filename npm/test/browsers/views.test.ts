// The main views of the dashboard, also in the browsers that its own tests do not drive.

import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Stage, serviceLogs, until } from "../e2e/harness.js";

const providers = 20;

let stage: Stage;
let page: Page;
let trouble: string[];

beforeAll(async () => {
  stage = await Stage.open({
    fake: ["--providers", `${providers}`, "--log-lines", "6000", "--shell"],
  });
});
afterEach(async () => {
  await page.evaluate("0"); // which also delivers what was told
  expect(trouble).toEqual([]);
  await stage.closePages();
});
afterAll(() => stage?.close());

/** Opens the dashboard. */
async function open(fragment: string): Promise<void> {
  page = await stage.browser.newPage();
  trouble = [];
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(String(error)));
  await page.goto(`${stage.url}/#${fragment}`);
}

/** Waits until an element has a text. */
const shows = (selector: string, text: RegExp) =>
  until(`${selector} shows ${text}`, 30_000, async () =>
    text.test(await page.locator(selector).first().innerText()),
  );

/** A link to the lease, which signs in. */
function link(): string {
  const { provider, lease, jwt } = stage.fake.ready;
  const { owner, dseq, gseq, oseq } = lease;
  return `${new URLSearchParams({ provider, owner, dseq: `${dseq}`, gseq: `${gseq}`, oseq: `${oseq}`, token: jwt })}`;
}

test("all providers are listed as they answer, and one that is chosen is shown", async () => {
  await open("/");
  await shows("#discovery-line", new RegExp(`^${providers} of ${providers} providers online`));
  await page.locator(".table.providers a").first().click();
  await page.locator(".card").first().waitFor();
  const address = /akash1[a-z0-9]{38}/.exec(await page.evaluate(() => location.hash))?.[0] ?? "";
  expect(stage.fake.providers.map(({ provider }) => provider)).toContain(address);
  expect(await page.locator("#status").innerText()).toContain(address);
  const held = await stage.fake.status(address);
  expect(await page.locator("#status .figures").innerText()).toContain(
    `${held.cluster.leases.active}`,
  );
});

test("a log is read from a link with a token, which leaves the address, and is followed", async () => {
  await open(link());
  const total = (await stage.fake.logs()).reduce((sum, { lines }) => sum + lines, 0);
  await shows(".log-count", new RegExp(`\\b${total.toLocaleString("en")} lines$`));
  expect(await page.evaluate(() => location.href)).not.toContain(stage.fake.ready.jwt);
  await stage.fake.write({ service: "web", replica: 0 }, "\u001b[31mred\u001b[0m grüße 🚀\n");
  await until("the line is shown", 20_000, async () =>
    (await page.locator(".log-row:not(.away) .log-text").allInnerTexts()).includes("red grüße 🚀"),
  );
  expect(await stage.fake.open(serviceLogs)).toBe(1);
  await page.evaluate(() => {
    location.hash = "/";
  });
  await until("the stream ends", 5_000, async () => (await stage.fake.open(serviceLogs)) === 0);
});

test("a shell runs a command that is typed", async () => {
  await open(link());
  await page.locator(".log-count").waitFor();
  await page.evaluate(() => {
    location.hash = location.hash.replace(/\/logs$/, "/shell");
  });
  await page.locator("form.lease button.primary:enabled").click();
  const screen = () => page.locator(".xterm-rows").innerText();
  await until("a prompt", 30_000, async () => /[#$]\s*$/.test(await screen()));
  await page.keyboard.type("echo gr$((40 + 2))\n");
  await until("what it prints", 20_000, async () => /^gr42$/m.test(await screen()));
});
