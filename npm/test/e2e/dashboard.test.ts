import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Stage } from "./harness.js";

let stage: Stage;
let page: Page;
let trouble: string[];

beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage?.close());

/** Opens the dashboard with a link to a lease. */
async function open(fields: Record<string, string | number> = {}, at = stage): Promise<void> {
  page = await at.dashboard(fields);
  trouble = [];
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(error.message));
}

afterEach(async () => {
  // The page's policy forbids what it does not need, so there must be no violation.
  expect(trouble).toEqual([]);
  await page.close();
});

/** Fields of a link to the testserver's lease. */
function link({ fake } = stage): Record<string, string | number> {
  const { provider, lease, jwt } = fake.ready;
  const { owner, dseq, gseq, oseq } = lease;
  return { provider, owner, dseq, gseq, oseq, token: jwt };
}

test("shows the status of the entered provider", async () => {
  await open();
  await page.getByRole("link", { name: "Providers" }).click();
  await page.getByRole("searchbox").fill(stage.fake.ready.provider);
  await page.keyboard.press("Enter");

  const status = page.locator("#status");
  await status.locator(".card").first().waitFor();
  const text = await status.innerText();
  expect(text).toContain(stage.fake.ready.provider);
  expect(text).toContain("gRPC");
  expect(text).toContain("as on the chain; one chain node says so");
  const held = await stage.fake.status();
  expect(await status.locator(".figures").innerText()).toContain(
    String(held.cluster.leases.active),
  );
  for (const node of held.cluster.inventory.cluster.nodes) {
    expect(await status.locator("table").innerText()).toContain(node.name);
  }
  for (const { info } of held.cluster.inventory.cluster.storage) {
    expect(text).toContain(info.class);
  }
  for (const name of ["CPU", "GPU", "Memory", "Ephemeral storage"]) {
    expect(await status.getByRole("meter", { name: `${name} used`, exact: true }).count()).toBe(1);
  }
});

test("reads a token from its address, and does not store it", async () => {
  await open(link());
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  expect(page.url()).not.toContain(stage.fake.ready.jwt);
  expect(page.url()).toContain(`/${stage.fake.ready.provider}/logs`);
  const kept = await page.evaluate(() =>
    JSON.stringify([localStorage, sessionStorage, document.cookie]),
  );
  expect(kept).not.toContain(stage.fake.ready.jwt);
});

test("can be used without a mouse", async () => {
  await open();
  await page.getByRole("link", { name: "Providers" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("searchbox").focus();
  await page.keyboard.type(stage.fake.ready.provider);
  await page.keyboard.press("Enter");
  await page.locator(".card").first().waitFor();
  const unnamed = await page
    .locator("input, button, a")
    .evaluateAll((controls) =>
      controls
        .filter(
          (c) =>
            !(c as HTMLInputElement).labels?.length &&
            !c.textContent?.trim() &&
            !c.getAttribute("aria-label"),
        )
        .map((c) => c.outerHTML),
    );
  expect(unnamed).toEqual([]);
});
