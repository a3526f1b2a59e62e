import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Stage, serviceLogs, streamStatus, until } from "./harness.js";
import type { Props } from "./react-app.js";
import { bundle, reacts } from "./react-bundle.js";

const history = 20_000;
const serviceStatus = "/akash.provider.lease.v1.LeaseRPC/ServiceStatus";

let stage: Stage;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "akash-react-"));
  stage = await Stage.open({ fake: ["--log-lines", `${history}`] });
});
afterEach(() => stage.closePages());
afterAll(async () => {
  await stage?.close();
  await rm(folder, { recursive: true });
});

describe.each(reacts)("React %s", (major, modules) => {
  let own: string;
  let script: string;
  let page: Page;
  let told: string[];

  beforeAll(async () => {
    own = await mkdtemp(join(folder, "react-"));
    script = await bundle("react-app.tsx", modules, own);
  });

  async function open(): Promise<void> {
    page = await stage.page("module");
    told = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) told.push(message.text());
    });
    page.on("pageerror", (error) => told.push(String(error)));
    await page.evaluate("globalThis.makeClient = async () => client");
    await page.addScriptTag({ path: script });
    expect(await page.evaluate(() => app.version)).toMatch(new RegExp(`^${major}\\.`));
  }

  const render = (props: Props) => page.evaluate((props) => app.render(props), props);
  const unmount = () => page.evaluate(() => app.unmount());
  const text = (selector: string) => page.locator(selector).first().innerText();
  const shows = (selector: string, what: RegExp) =>
    until(`${selector} shows ${what}`, 20_000, async () => what.test(await text(selector)));
  const closes = (method: string) =>
    until(`${method} ends`, 10_000, async () => (await stage.fake.open(method)) === 0);

  const logs = (more: object = {}) => {
    const { provider, lease, auth } = stage.fake;
    return { provider, lease, auth: auth.jwt, ...more };
  };

  test("shows a log's latest lines, renders once per frame, and ends with its component", async () => {
    await open();
    const before = (await stage.fake.streams()).total[serviceLogs] ?? 0;
    const written = (await stage.fake.logs()).reduce((sum, { lines }) => sum + lines, 0);
    const frames = await page.evaluate(
      async ([options, written]) => {
        let frames = 0;
        const count = () => {
          frames++;
          requestAnimationFrame(count);
        };
        requestAnimationFrame(count);
        app.render({ logs: { ...options, maxLines: 1000 } });
        const read = () => (app.logs ? app.logs.dropped + app.logs.lines.length : 0);
        while (read() < written) await new Promise((resolve) => setTimeout(resolve, 5));
        return frames;
      },
      [logs(), written] as const,
    );
    const { renders, lines, dropped, state, functions } = await page.evaluate(() => ({
      ...app,
      ...app.logs,
      lines: app.logs.lines.map(({ id, message }) => ({ id, message })),
      functions: app.functions.size,
    }));
    expect({ state, dropped }).toEqual({ state: "open", dropped: written - 1000 });
    expect(lines.map(({ id }) => id)).toEqual(
      Array.from({ length: 1000 }, (_, i) => written - 1000 + i),
    );
    // Strict Mode renders twice, and the first renders are not for a frame of the stream.
    expect(renders).toBeLessThanOrEqual(2 * (frames + 3));
    expect(functions).toBe(4);
    // Strict Mode also mounts twice.
    expect((await stage.fake.streams()).total[serviceLogs]).toBe(before + 1);

    await render({ logs: logs({ maxLines: 500 }) });
    await shows("#logs", /open: 500 lines/);
    expect((await stage.fake.streams()).total[serviceLogs]).toBe(before + 1);
    await unmount();
    await closes(serviceLogs);
    expect(told).toEqual([]);
  });

  test("does not change while it is paused, and loses nothing", async () => {
    await open();
    const [log] = await stage.fake.logs();
    if (!log) throw new Error("no logs");
    const { service, replica } = log;
    const filter = { name: service, replicas: [replica] };
    await render({ logs: logs({ filter, maxLines: 100_000 }) });
    await shows("#logs", new RegExp(`open: ${log.lines} lines`));
    await page.evaluate(() => app.logs.pause());
    await shows("#logs", /open/);
    expect(await page.evaluate(() => app.logs.paused)).toBe(true);
    for (let i = 0; i < 3; i++) await stage.fake.write(log, `while paused ${i}\n`);
    await page.evaluate(
      () => new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f))),
    );
    expect(await page.evaluate(() => app.logs.lines.length)).toBe(log.lines);
    await page.evaluate(() => app.logs.resume());
    await shows("#logs", new RegExp(`open: ${log.lines + 3} lines`));
    expect(
      await page.evaluate(() => app.logs.lines.slice(-3).map(({ message }) => message)),
    ).toEqual(["while paused 0", "while paused 1", "while paused 2"]);

    await page.evaluate(() => app.logs.clear());
    await shows("#logs", /open: 0 lines/);
    await stage.fake.write(log, "after\n");
    await shows("#logs", /open: 1 lines/);
    await page.evaluate(() => app.logs.restart());
    await shows("#logs", new RegExp(`open: ${log.lines + 4} lines`));
    // Unmounting while paused leaves no stream open.
    await page.evaluate(() => app.logs.pause());
    await unmount();
    await closes(serviceLogs);
    expect(told).toEqual([]);
  });

  test("returns why a stream ended, and restarts when the options' content changes", async () => {
    await open();
    await render({ logs: logs({ auth: stage.fake.auth.expired }) });
    await shows("#logs", /ended: 0 lines/);
    expect(await page.evaluate(() => app.logs.error?.reason)).toBe("tokenExpired");
    await render({ logs: logs({ maxLines: 10 }) });
    await shows("#logs", /open: 10 lines/);
    expect(await page.evaluate(() => app.logs.error)).toBeUndefined();
    expect(told).toEqual([]);
  });

  test("throws errors of the program, for an error boundary", async () => {
    await open();
    await render({ logs: logs({ provider: 7 }) });
    await shows("main", /failed/);
    expect(await page.evaluate(() => app.caught)).toMatch(/^TypeError: provider must be a string/);
  });

  test("shows a provider's status as it changes, with one stream for all components", async () => {
    await open();
    const before = (await stage.fake.streams()).total[streamStatus] ?? 0;
    const { provider } = stage.fake;
    await render({ provider, watchers: 5 });
    const { active } = (await stage.fake.status()).cluster.leases;
    await shows(".status", new RegExp(`open: ${active} leases`));
    const status = await stage.fake.status();
    status.cluster.leases.active = active + 100;
    await stage.fake.setStatus(status);
    await until("all show the change", 20_000, async () => {
      const texts = await page.locator(".status").allInnerTexts();
      return texts.length === 5 && texts.every((text) => text === `open: ${active + 100} leases`);
    });
    // Unmounting some components does not end the stream of the others.
    await render({ provider, watchers: 1 });
    await page.locator(".status").nth(1).waitFor({ state: "detached" });
    expect(await stage.fake.open(streamStatus)).toBe(1);
    expect((await stage.fake.streams()).total[streamStatus]).toBe(before + 1);
    await render({ watchers: 1 });
    await shows(".status", /idle: no leases/);
    await closes(streamStatus);
    expect(told).toEqual([]);
  });

  test("shows the status of a lease's services", async () => {
    await open();
    await render({ services: logs() });
    await page.locator("li").first().waitFor();
    const names = await page.locator("li").allInnerTexts();
    expect(names.sort()).toEqual([...stage.fake.services].sort());
    await unmount();
    await closes(serviceStatus);
    expect(told).toEqual([]);
  });

  test("renders on a server, and hydrates in the page", async () => {
    const server = await import(
      pathToFileURL(await bundle("react-server.tsx", modules, own, "cjs")).href
    );
    const props = { provider: stage.fake.provider, logs: logs({ maxLines: 10 }) };
    const html: string = (server.default ?? server).render(props);
    expect(html.replaceAll("<!-- -->", "")).toContain("connecting: 0 lines");
    expect(html.replaceAll("<!-- -->", "")).toContain("connecting: no leases");
    await open();
    await page.evaluate((html) => {
      document.body.innerHTML = `<main>${html}</main>`;
    }, html);
    await page.evaluate((props) => app.hydrate(props), props);
    await shows("#logs", /open: 10 lines/);
    await shows(".status", /open: \d+ leases/);
    expect(told).toEqual([]);
  });
});
