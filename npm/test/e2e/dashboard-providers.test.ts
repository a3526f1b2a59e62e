import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Stage, streamStatus, until } from "./harness.js";

let stage: Stage;
let page: Page;
afterEach(() => page?.close());
afterAll(() => stage?.close());

/** How many providers there are. */
const many = 1_000;

beforeAll(async () => {
  stage = await Stage.open({
    fake: ["--providers", `${many}`, "--provider-version", "0.6.4,0.10.2,0.9.1,0.16.2"],
  });
}, 120_000);

async function open(path: string, at = stage): Promise<void> {
  page = await at.browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(`${at.url}/#${path}`);
}

/**
 * Returns the CPU time of the page's thread while something runs, in milliseconds: unlike
 * time on a clock, it does not depend on what else the machine does.
 */
async function threadTime(page: Page, run: () => Promise<void>): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0) * 1_000;
  };
  const before = await spent();
  await run();
  const after = await spent();
  await session.detach();
  return after - before;
}

const table = () => page.locator(".table.providers");
const rows = () => table().locator("tbody tr:not(.space)");
const cells = (column: string) => table().locator(`tbody .col-${column}`).allInnerTexts();

describe("a thousand providers", () => {
  test("are listed as they answer, found, sorted, and scroll smoothly", async () => {
    const dead = stage.fake.providers[500]?.provider ?? "";
    await stage.fake.setFault("refuse", dead);
    await open("/");
    // A machine that does much else may not get an answer from each in time.
    const line = page.locator("#discovery-line").getByText(/^[\d,]+ of 1,000 providers online/);
    await line.waitFor({ timeout: 90_000 });
    console.log(`discovery in the dashboard: ${await line.textContent()}`);

    // Only what can be seen is in the page, whatever is scrolled to.
    expect(await table().locator("table").getAttribute("aria-rowcount")).toBe(`${many + 1}`);
    expect(await rows().count()).toBeLessThan(60);
    const frames = 100;
    const spent = await threadTime(page, () =>
      table().evaluate(
        (element, frames) =>
          new Promise<void>((resolve) => {
            let left = frames;
            const step = () => {
              element.scrollTop += 400;
              if (left-- > 0) requestAnimationFrame(step);
              else resolve();
            };
            requestAnimationFrame(step);
          }),
        frames,
      ),
    );
    console.log(`scrolling 1,000 providers: ${(spent / frames).toFixed(1)} ms of CPU time a frame`);
    await table().evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await until(
      "the last row is there",
      5_000,
      async () => (await rows().last().getAttribute("aria-rowindex")) === `${many + 1}`,
    );
    await table().evaluate((element) => element.scrollTo(0, 0));
    await table().getByRole("button", { name: "Version" }).click();
    const sorted = async () => [...new Set(await cells("version"))];
    await until(
      "the newest release is first",
      5_000,
      async () => (await sorted())[0] === "v0.16.2",
    );
    await table().getByRole("button", { name: "Version" }).click();
    await until("the oldest is first", 5_000, async () => (await sorted())[0] === "v0.6.4");
    expect(
      await page.getByRole("columnheader", { name: "Version" }).getAttribute("aria-sort"),
    ).toBe("ascending");

    await page.getByRole("searchbox").fill(`${dead.slice(6, 20).toUpperCase()} unreachable`);
    await page.getByText("1 provider found").waitFor();
    expect(await rows().innerText()).toContain("providerUnreachable");
    await page.getByLabel("Online only").check();
    await page.getByText("No provider has all of that.").waitFor();
    await page.getByLabel("Online only").uncheck();
    await page.getByRole("searchbox").fill("rtx4090 0.10.2");
    await until(
      "found by model and release",
      5_000,
      async () => [...new Set(await cells("version"))].join() === "v0.10.2",
    );

    await rows().first().getByRole("link").click();
    await page.locator(".card").first().waitFor();
    // What was known is still there.
    await page.goBack();
    await rows().first().waitFor();
  }, 120_000);

  test("fit windows of any width: as cards where there is no room for the columns", async () => {
    const known = stage.fake.providers[7]?.provider ?? "";
    for (const width of [1280, 1024, 640, 390, 320]) {
      page = await stage.browser.newPage({ viewport: { width, height: 800 } });
      await page.goto(`${stage.url}/#/`);
      await table().locator(".dot.online").first().waitFor({ timeout: 90_000 });
      const wide = await table().evaluate((list) => list.scrollWidth - list.clientWidth);
      expect(wide, `${width}`).toBeLessThanOrEqual(0);
      const inCards = (await table().locator("table").count()) === 0;
      expect(inCards, `${width}`).toBe(width < 1280);
      if (width === 390) {
        const cards = page.getByRole("listitem");
        expect(await cards.count()).toBeLessThan(40);
        expect(await cards.first().getAttribute("aria-setsize")).toBe(`${many}`);
        // Nothing of a row is missing in a card, or cut off.
        for (const name of ["CPU free", "GPU free", "Memory free", "Storage free"]) {
          await cards.first().getByText(name).waitFor();
        }
        const cut = await cards
          .first()
          .evaluate((card) => card.scrollHeight - card.getBoundingClientRect().height);
        expect(cut).toBeLessThanOrEqual(0);

        await page.getByLabel("Sort by").selectOption("Provider");
        const addresses = () =>
          cards.getByRole("link").evaluateAll((all) => all.map((a) => a.getAttribute("title")));
        const all = stage.fake.providers.map(({ provider }) => provider).sort();
        await until("sorted", 10_000, async () => (await addresses())[0] === all[0]);
        await page.getByRole("button", { name: "Reverse" }).click();
        await until("reversed", 10_000, async () => (await addresses())[0] === all.at(-1));
        await page.getByRole("searchbox").fill(known);
        await until("found", 10_000, async () => (await addresses()).join() === known);
        await cards.getByRole("link").press("Enter");
        await page.getByText(known).first().waitFor();
        await page.locator(".card").first().waitFor();
      }
      if (width !== 320) await page.close();
    }
  }, 240_000);

  test("can be left before all have answered", async () => {
    await stage.fake.setFault("hang-headers");
    await using fresh = await stage.withNewBridge();
    try {
      await open("/", fresh);
      await page.getByText("of 1,000 providers asked").waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByRole("button", { name: "Refresh" }).waitFor();
    } finally {
      await stage.fake.clearFault("hang-headers");
    }
  });

  test("a list that cannot be had is an error with a way to try again", async () => {
    await stage.fake.setFault("chain-down");
    await using fresh = await stage.withNewBridge();
    try {
      await open("/", fresh);
      await page.locator("#discovery-notice").getByText("chainUnavailable").waitFor();
    } finally {
      await stage.fake.clearFault("chain-down");
    }
    await page.getByRole("button", { name: "Try again" }).click();
    await rows().first().waitFor();
  });
});

describe("one provider", () => {
  const phase = () => page.locator("#status-line").getAttribute("data-phase");

  test("is followed while it is live, with plots of the session", async () => {
    const { provider } = stage.fake.ready;
    await open(`/provider/${provider}`);
    const figures = page.locator(".figures");
    await figures.waitFor();
    const followed = () => stage.fake.open(streamStatus);
    await until("the status is followed", 5_000, async () => (await followed()) > 0);
    await until("it says so", 5_000, async () => (await phase()) === "live");

    const held = (await stage.fake.status()) as unknown as {
      cluster: {
        leases: { active: number };
        inventory: {
          cluster: {
            nodes: { resources: { cpu: { quantity: { allocated: { string: string } } } } }[];
          };
        };
      };
    };
    held.cluster.leases.active = 4711;
    const cpu = held.cluster.inventory.cluster.nodes[0]?.resources.cpu.quantity.allocated;
    if (!cpu) throw new Error("the first node has no CPU");
    cpu.string = "1";
    await stage.fake.setStatus(held as never);
    await figures.getByText("4,711").waitFor();
    await page.getByRole("img", { name: /^CPU used since/ }).waitFor();

    await page.getByLabel("Live").uncheck();
    await until("the status is followed no longer", 5_000, async () => (await followed()) === 0);
  });

  test("that is live says when what it shows is old", async () => {
    const { provider } = stage.fake.ready;
    const bridge = await stage.withNewBridge();
    await open(`/provider/${provider}`, bridge);
    await until("it is live", 10_000, async () => (await phase()) === "live");
    await bridge.bridge.kill();
    await until("it says that it is old", 30_000, async () => (await phase()) === "stale");
    expect(await page.locator("#status-line").textContent()).toContain("this is how it was at");
    await page.getByText(/^(Next try in \d+ s|Trying…)$/).waitFor();
    await page.getByRole("button", { name: "Try now" }).waitFor();
    expect(await page.locator(".card").count()).toBeGreaterThan(0);
  });

  test("that does not answer can be left, and says how long it has been asked", async () => {
    const { provider } = stage.fake.ready;
    await stage.fake.setFault("hang-headers", provider);
    await using fresh = await stage.withNewBridge();
    try {
      await open(`/provider/${provider}`, fresh);
      await page.getByText(/^Asking for \d+ s…$/).waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
      await until("it is cancelled", 5_000, async () => (await phase()) === "cancelled");
    } finally {
      await stage.fake.clearFault("hang-headers");
    }
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.locator(".card").first().waitFor();
  });

  test("does not flood a screen reader", async () => {
    const { provider } = stage.fake.ready;
    await open(`/provider/${provider}`);
    await until("it is live", 10_000, async () => (await phase()) === "live");
    await page.evaluate(() => {
      const spoken: string[] = [];
      Object.assign(globalThis, { spoken });
      for (const region of document.querySelectorAll("[role=status], [aria-live=polite]")) {
        new MutationObserver(() => spoken.push(region.textContent ?? "")).observe(region, {
          childList: true,
          characterData: true,
          subtree: true,
        });
      }
    });
    const held = await stage.fake.status();
    for (const active of [1, 2, 3]) {
      held.cluster.leases.active = active;
      await stage.fake.setStatus(held);
      await page.locator(".figures dd").first().getByText(`${active}`, { exact: true }).waitFor();
    }
    expect(await page.evaluate("spoken")).toEqual([]);
  });
});
