// What happens to a page while it follows a log: it is left and comes back, it is in the
// background, the machine sleeps, the network is gone, a service worker is in between. The
// stream goes on or resumes, and no line is lost or repeated.

import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ClientOptions, Transport } from "../../src/index.js";
import type { TestBridge } from "../../src/testing/index.js";
import { asleep } from "./asleep.js";
import { BackgroundPage } from "./background-page.js";
import { follow, gathered, type Place, progress, seen, total, write, written } from "./followed.js";
import {
  browserName,
  isChromium,
  runs,
  Stage,
  serviceLogs,
  until,
  withSlowTests,
} from "./harness.js";
import { startRelay } from "./relay.js";

declare global {
  /** When the timer of a page ran that is set for half a second. */
  var ticks: number[];
  /** Whether the page came back from the browser's cache; undefined if it was not left. */
  var kept: boolean | undefined;
}

/** A service worker that passes requests on, or answers those for files from a cache. */
const serviceWorker = (caching: boolean) => `
  let passed = 0;
  let cached = 0;
  addEventListener("install", () => skipWaiting());
  addEventListener("activate", (event) => event.waitUntil(clients.claim()));
  addEventListener("fetch", (event) => {
    const { request } = event;
    if (request.url.endsWith("/counts")) {
      event.respondWith(new Response(JSON.stringify({ passed, cached })));
    } else if (${caching} && request.method === "GET") {
      event.respondWith((async () => {
        const cache = await caches.open("files");
        const known = await cache.match(request);
        if (known) {
          cached++;
          return known;
        }
        const response = await fetch(request);
        if (response.ok) await cache.put(request, response.clone());
        return response;
      })());
    } else {
      passed++;
      event.respondWith(fetch(request));
    }
  });`;

const ways: [Transport, string][] = [
  ["websocket", "page"],
  ["fetch", "page"],
  ["websocket", "worker"],
  ["fetch", "worker"],
];
const optionsOf = (transport: Transport, where: string): ClientOptions => ({
  transport,
  worker: where === "worker",
});

let stage: Stage;
let second: TestBridge | undefined;

beforeAll(async () => {
  stage = await Stage.open({
    fake: ["--log-lines", "500"],
    // The one without windows does not keep pages that are left.
    windows: true,
    notChromium: ["--disable-back-forward-cache"],
    files: {
      "/passing.js": serviceWorker(false),
      "/caching.js": serviceWorker(true),
    },
  });
});
afterEach(async () => {
  await stage.closePages();
  await until("all streams end", 10_000, async () => (await stage.fake.open(serviceLogs)) === 0);
});
afterAll(() => stage?.close());

/** Waits until the page has all that was written, and compares. */
async function complete(page: Place, fake = stage.fake): Promise<void> {
  await seen(page, total(await fake.logs()));
  expect(await gathered(page)).toEqual(await written(fake));
  expect(await progress(page)).toMatchObject({ gaps: 0, ended: "" });
}

/** Tells the page that the network is gone or back. */
async function setOffline(page: Page, gone: boolean): Promise<void> {
  if (isChromium) await page.context().setOffline(gone);
  else
    await page.evaluate((name) => void dispatchEvent(new Event(name)), gone ? "offline" : "online");
}

/** Replaces the page's client by one of another bridge. */
function connectTo(page: Page, bridgeUrl: string, options: ClientOptions = {}): Promise<void> {
  return page.evaluate(
    async (options) => {
      globalThis.client = await AkashProvider.createClient(options);
    },
    { ...options, bridgeUrl },
  );
}

describe.each(ways)("a log that is followed over %s, in a %s", (transport, where) => {
  let page: Page;
  // What takes long is tried in two of the four.
  const slow = (transport === "websocket") === (where === "page");

  beforeEach(async () => {
    page = await stage.page("module", optionsOf(transport, where));
  });

  test("goes on when the page is left and comes back", async () => {
    await page.evaluate(() =>
      addEventListener("pageshow", ({ persisted }) => {
        globalThis.kept = persisted;
      }),
    );
    await follow(page, stage.fake);
    await complete(page);
    await page.goto(`${stage.url}/healthz`);
    await write(stage.fake);
    await page.evaluate("void setTimeout(() => history.back())");
    await until("the page is back", 20_000, () =>
      page.evaluate(() => globalThis.client !== undefined).catch(() => false),
    );
    // Firefox does not keep a page that has connections, and loads it again.
    const kept = browserName !== "firefox";
    expect(await page.evaluate(() => globalThis.kept)).toBe(kept || undefined);
    if (!kept) await follow(page, stage.fake);
    await write(stage.fake);
    await complete(page);
  });

  if (slow) {
    test("goes on when the machine has slept for longer than heartbeats may take", async () => {
      await follow(page, stage.fake, { heartbeatMs: 1000 });
      await complete(page);
      await asleep(stage.browser, 4_000, () => write(stage.fake));
      await write(stage.fake);
      await complete(page);
    });
  }

  test("goes on at once when the network is back", async () => {
    await using relay = await startRelay(stage.url);
    await connectTo(page, relay.url, optionsOf(transport, where));
    // So rarely that they tell nothing here.
    await follow(page, stage.fake, { heartbeatMs: 60_000 });
    await complete(page);
    relay.die();
    await setOffline(page, true);
    await write(stage.fake);
    await setOffline(page, false);
    const start = performance.now();
    await complete(page);
    expect(performance.now() - start).toBeLessThan(5_000);
    expect((await progress(page)).states).toEqual(["open", "reconnecting", "open"]);
  });

  if (!slow) return;
  test.runIf(runs("frozen"))("goes on when the page was frozen in the background", async () => {
    const hidden = await BackgroundPage.open(
      stage.browser,
      stage.address("module", optionsOf(transport, where)),
    );
    await until("the page has its client", 20_000, () =>
      hidden.evaluate("Boolean(globalThis.client)"),
    );
    await follow(hidden, stage.fake, { heartbeatMs: 1000 });
    await complete(hidden);
    await hidden.freeze();
    await write(stage.fake);
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // longer than two heartbeats
    await hidden.thaw();
    expect(await hidden.evaluate("document.visibilityState")).toBe("hidden");
    await complete(hidden);
    await write(stage.fake);
    await complete(hidden);
    await hidden.close();
  });
});

test("a stream resumes when the bridge was replaced while the machine slept", async () => {
  const page = await stage.page("module");
  const { fake } = stage;
  second = await fake.startBridge();
  try {
    const { url } = second;
    await connectTo(page, url);
    await follow(page, fake);
    await complete(page);
    await asleep(stage.browser, 1_000, async () => {
      await second?.kill();
      await write(fake);
      second = await fake.startBridge("--listen", new URL(url).host);
    });
    await complete(page);
  } finally {
    await second.stop();
  }
});

describe.each(["/passing.js", "/caching.js"])("with the service worker %s", (script) => {
  test.each(["page", "worker"])("the module loads and streams go on, in a %s", async (where) => {
    const options = optionsOf("fetch", where);
    const page = await stage.page("module", options);
    await page.evaluate(async (script) => {
      await navigator.serviceWorker.register(script);
      const { serviceWorker } = navigator;
      while (!serviceWorker.controller) {
        await new Promise((resolve) => {
          serviceWorker.addEventListener("controllerchange", resolve, { once: true });
        });
      }
    }, script);
    const counts = () =>
      page.evaluate<{ passed: number; cached: number }>("fetch('/counts').then((r) => r.json())");
    // The first time it fills the cache.
    for (let round = 0; round < 2; round++) {
      await page.goto(stage.address("module", options));
      await page.waitForFunction("globalThis.ready");
      await page.evaluate("ready");
    }
    const before = await counts();
    if (script === "/caching.js") expect(before.cached).toBeGreaterThanOrEqual(2);
    await follow(page, stage.fake, { heartbeatMs: 1000 });
    await complete(page);
    await write(stage.fake);
    await complete(page);
    expect((await counts()).passed).toBeGreaterThan(before.passed);
    expect(await stage.fake.open(serviceLogs)).toBe(1);
    await page.evaluate("client.cleanupConnections()");
    await until(
      "the stream is left",
      5_000,
      async () => (await stage.fake.open(serviceLogs)) === 0,
    );
  });
});

describe.runIf(withSlowTests && runs("throttled"))(
  "in a tab in the background, whose timers run once a minute",
  () => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.open({
        fake: ["--log-lines", "500"],
        windows: true,
        // After five minutes by default.
        chromium: ["--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5"],
        notChromium: [
          "--disable-background-timer-throttling",
          "--disable-backgrounding-occluded-windows",
          "--disable-renderer-backgrounding",
        ],
      });
    });
    afterAll(() => stage?.close());

    /** Opens a page that follows the log. */
    async function open(options: ClientOptions): Promise<BackgroundPage> {
      const page = await BackgroundPage.open(stage.browser, stage.address("module", options));
      await until("the page has its client", 20_000, () =>
        page.evaluate("Boolean(globalThis.client)"),
      );
      await page.evaluate(() => {
        globalThis.ticks = [];
        const tick = () => {
          ticks.push(performance.now());
          setTimeout(tick, 500);
        };
        tick();
      });
      await follow(page, stage.fake, { heartbeatMs: 1000 });
      await complete(page, stage.fake);
      return page;
    }

    /** Has the page read on after each batch at once, or hardly at all. */
    const read = (page: BackgroundPage, how: "quickly" | "slowly") =>
      page.evaluate(
        (until: number) => {
          followed.pause = { ms: 10_000, until };
        },
        how === "quickly" ? 0 : Number.MAX_SAFE_INTEGER,
      );

    test("lines arrive when they are written, no faster than they are read, and nothing is lost", {
      timeout: 240_000,
    }, async () => {
      const { fake } = stage;
      const [log] = await fake.logs();
      if (!log) throw new Error("no logs");
      await using relay = await startRelay(stage.url);
      const quick = await Promise.all(ways.map((way) => open(optionsOf(...way))));
      const moved = await open({ transport: "websocket", bridgeUrl: relay.url });
      const slow = await Promise.all([
        open({ transport: "websocket" }),
        open({ transport: "fetch" }),
      ]);
      const all = [...quick, moved, ...slow];
      for (const page of [...quick, moved]) await read(page, "quickly");
      for (const page of slow) await read(page, "slowly");

      for (const page of all) await page.hide();
      await until("the timers are slow", 30_000, async () => {
        const waits: number[] = await Promise.all(
          all.map((page) => page.evaluate(() => performance.now() - (ticks.at(-1) ?? 0))),
        );
        return waits.every((wait) => wait > 4_000);
      });
      const before = await Promise.all(slow.map((page) => page.memory()));
      const megabyte = `${"x".repeat(99)}\n`.repeat(10_000);
      for (let i = 0; i < 16; i++) await fake.write(log, megabyte);
      for (const page of [...quick, moved]) await complete(page, fake);

      await until("the timers have slept for a minute", 90_000, async () => {
        await write(fake);
        const want = total(await fake.logs());
        const start = performance.now();
        for (const page of [...quick, moved]) await seen(page, want);
        // Much sooner than the next timer.
        expect(performance.now() - start).toBeLessThan(20_000);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        const slept: boolean[] = await Promise.all(
          all.map((page) =>
            page.evaluate(() => ticks.some((tick, i) => tick - (ticks[i - 1] ?? tick) > 50_000)),
          ),
        );
        return slept.every(Boolean);
      });
      for (const [i, page] of slow.entries()) {
        expect((await progress(page)).lines).toBeLessThan(80_000);
        expect((await page.memory()) - (before[i] ?? 0)).toBeLessThan(8_000_000);
      }

      // A connection that is dead by then is noticed when the page is shown.
      relay.die();
      await write(fake);
      for (const page of all) {
        expect(await page.evaluate("document.visibilityState")).toBe("hidden");
        await page.show();
        expect(await page.evaluate("document.visibilityState")).toBe("visible");
      }
      const shown = performance.now();
      for (const page of [moved, ...quick]) await complete(page, fake);
      expect(performance.now() - shown).toBeLessThan(20_000);
      for (const page of slow) {
        await read(page, "quickly");
        await complete(page, fake);
      }
      for (const page of all) {
        expect((await progress(page)).states).toEqual(
          page === moved ? ["open", "reconnecting", "open"] : ["open"],
        );
        await page.close();
      }
    });
  },
);
