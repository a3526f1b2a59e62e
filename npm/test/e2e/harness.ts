// The whole product as users run it: the built testserver and bridge, and a browser with
// the built package.

import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import http, { createServer, type Server } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { launchOptions } from "../../../testserver/chromium.mjs";
import type { ClientOptions } from "../../src/index.js";
import { startTestProvider, type TestBridge, type TestProvider } from "../../src/testing/index.js";
import { launch as launchOther, type OtherBrowser } from "../browsers/drivers.mjs";
import { leftOutTests } from "../browsers/suites.mjs";

export const root = fileURLToPath(new URL("../../../", import.meta.url));

export const serviceLogs = "/akash.provider.lease.v1.LeaseRPC/ServiceLogs";
export const streamStatus = "/akash.provider.v1.ProviderRPC/StreamStatus";

/**
 * Serves the built npm package, and pages that use it, as any static host does. Files are
 * further scripts, by path.
 */
class StaticSite {
  #server: Server;
  url = "";

  constructor(bridgeUrl: string, files: Record<string, string>) {
    this.#server = createServer(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://host");
      const path = normalize(pathname);
      const options = JSON.parse(searchParams.get("options") ?? "{}");
      const page = pages({ bridgeUrl, ...options })[path];
      if (page !== undefined) {
        response.setHeader("Content-Type", "text/html; charset=utf-8");
        response.end(page);
        return;
      }
      try {
        const body = files[path] ?? (await readFile(join(root, "npm", path)));
        response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
        response.end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const types: Record<string, string> = {
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

// Each page ends with the package in the global variable AkashProvider, and a client of
// the bridge in client. The script tag comes from the bridge, which is another origin.
const pages = (options: ClientOptions & { bridgeUrl: string }): Record<string, string> => ({
  "/script": `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
    <script src="${options.bridgeUrl}/akash-provider-web.min.js"></script>
    <script>var ready = AkashProvider.createClient(${JSON.stringify(options)}).then((c) => { client = c })</script>`,
  "/module": `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
    <script type="module">
      import * as AkashProvider from "/dist/index.js";
      globalThis.AkashProvider = AkashProvider;
      globalThis.ready = AkashProvider.createClient(${JSON.stringify(options)}).then((c) => { globalThis.client = c });
    </script>`,
});

/** The ways in which a page loads the client. */
export type Flavour = "script" | "module";

/** Options of a stage: flags of its programs. Other browsers ignore those of Chromium. */
export interface StageOptions {
  fake?: string[];
  bridge?: string[];
  chromium?: string[];
  /** The flags that Playwright starts Chromium with, but this stage does not. */
  notChromium?: string[];
  /** Whether a Chromium without windows, if CHROMIUM is one, does not do. */
  windows?: boolean;
  /** Further scripts of the static site, by path. */
  files?: Record<string, string>;
}

/** A fake provider, a bridge in front of it, and a browser. */
export class Stage {
  readonly fake: TestProvider;
  readonly bridge: TestBridge;
  readonly browser: Browser;
  readonly #site: StaticSite;

  private constructor(fake: TestProvider, bridge: TestBridge, browser: Browser, site: StaticSite) {
    this.fake = fake;
    this.bridge = bridge;
    this.browser = browser;
    this.#site = site;
  }

  static async open(options: StageOptions = {}): Promise<Stage> {
    const { fake = [], bridge = [], chromium = [], notChromium = [], files = {} } = options;
    const behind = await startTestProvider({ testserverArgs: fake, bridgeArgs: bridge });
    try {
      const site = new StaticSite(behind.bridgeUrl, files);
      await site.listen();
      const browser = isChromium
        ? await launchChromium(chromium, notChromium, options.windows)
        : await launchOther(browserName);
      return new Stage(behind, behind.bridge, browser, site);
    } catch (error) {
      await behind.close();
      throw error;
    }
  }

  get url(): string {
    return this.bridge.url;
  }

  /**
   * Opens a page of a static site that has a client in the variable client, made with
   * options that JSON can hold.
   */
  async page(flavour: Flavour, options: ClientOptions = {}): Promise<Page> {
    const page = await this.browser.newPage();
    await page.goto(this.address(flavour, options));
    await page.waitForFunction("globalThis.ready");
    await page.evaluate("ready");
    return page;
  }

  /** The address of such a page. */
  address(flavour: Flavour, options: ClientOptions = {}): string {
    const query = new URLSearchParams({ options: JSON.stringify(options) });
    return `${this.#site.url}/${flavour}?${query}`;
  }

  /** Opens the bridge's dashboard, and creates a client for the test there. */
  async dashboard(fields: Record<string, string | number> = {}): Promise<Page> {
    const page = await this.browser.newPage();
    const fragment = new URLSearchParams(
      Object.entries(fields).map(([name, value]) => [name, String(value)]),
    );
    // Without fields at a view that calls nothing, since the first one calls every provider.
    await page.goto(`${this.url}/#${`${fragment}` || "/sign-in"}`);
    await loadScript(page);
    await page.evaluate(
      "AkashProvider.createClient({ bridgeUrl: location.origin }).then((c) => { client = c })",
    );
    return page;
  }

  /** Closes all pages, so that one test's streams do not continue in the next. */
  async closePages(): Promise<void> {
    await Promise.all(this.browser.contexts().map((context) => context.close()));
  }

  /** The programs' output to stderr, for the report of a failed test. */
  errors(): string {
    return this.fake.errors();
  }

  /** Returns this stage with a new bridge without caches. */
  async withNewBridge(...args: string[]): Promise<Stage & AsyncDisposable> {
    const bridge = await this.fake.startBridge(...args);
    const stage = new Stage(this.fake, bridge, this.browser, this.#site);
    return Object.assign(stage, { [Symbol.asyncDispose]: () => bridge.stop() });
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.#site.close();
    await this.fake.close();
  }
}

/**
 * The browser of the tests: "chromium", or "firefox" or "webkit", which have only the part
 * of the interface that is in test/browsers/drivers.mjs.
 */
export const browserName = process.env.BROWSER ?? "chromium";

/** Whether the browser can do what only Chromium and Playwright can, such as CDP. */
export const isChromium = browserName === "chromium";

/** Whether a test runs in this browser. The list has the reasons. */
export function runs(test: keyof typeof leftOutTests): boolean {
  return !leftOutTests[test].browsers.includes(browserName);
}

/** Whether slow tests run that are much like others, or wait for minutes: in `make test-browsers`. */
export const withSlowTests = process.env.SLOW !== undefined;

/** How many workers a page has; in WebKitGTK, all pages. */
export async function workersOf(page: Page): Promise<number> {
  if (browserName !== "webkit") return page.workers().length;
  return (page.context().browser() as Browser & OtherBrowser).workerCount();
}

/** Files of a stage: a worker in which evaluateInWorker can run code. */
export const openWorker = {
  "/open-worker.js": `import "/dist/worker.js";
    const channel = new BroadcastChannel("evaluate");
    channel.onmessage = async ({ data }) => {
      try {
        await (0, eval)(data);
        channel.postMessage("");
      } catch (error) {
        channel.postMessage(String(error));
      }
    };`,
};

/** Options for a client with that worker, which Chromium does not need. */
export const inOpenWorker: ClientOptions = isChromium
  ? { worker: true }
  : { worker: true, workerUrl: "/open-worker.js" };

/** Evaluates an expression in the only worker of a page, and waits for its promise. */
export async function evaluateInWorker(page: Page, expression: string): Promise<void> {
  const [worker] = isChromium ? page.workers() : [];
  if (worker) return worker.evaluate(expression);
  await page.evaluate(
    (expression) =>
      new Promise<void>((resolve, reject) => {
        const channel = new BroadcastChannel("evaluate");
        channel.onmessage = ({ data }) => {
          channel.close();
          if (data === "") resolve();
          else reject(new Error(data));
        };
        channel.postMessage(expression);
      }),
    expression,
  );
}

/**
 * Starts the browser as Debian has it, so that it only connects to the tests. Additional
 * flags are Chromium's.
 */
export function launch(...further: string[]): Promise<Browser> {
  if (isChromium) return launchChromium(further);
  if (further.length > 0) throw new Error(`${browserName} does not have ${further.join(" ")}`);
  return launchOther(browserName);
}

/** Loads the package's script from the page's own bridge, which gives AkashProvider. */
export async function loadScript(page: Page): Promise<void> {
  await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.onload = resolve;
        script.onerror = reject;
        script.src = "/akash-provider-web.min.js";
        document.head.append(script);
      }),
  );
}

function launchChromium(
  flags: string[],
  without: string[] = [],
  windows = false,
): Promise<Browser> {
  const options = launchOptions(...flags);
  const executablePath = (windows && process.env.CHROMIUM_WITH_WINDOWS) || options.executablePath;
  return chromium.launch({ ...options, executablePath, ignoreDefaultArgs: without });
}

/**
 * Reads a bridge's metrics, and returns how to get one by name. It must be there, unless
 * there is a value for where it is not.
 */
export async function metricsOf(
  bridgeUrl: string,
): Promise<(name: string, absent?: number) => number> {
  // Not fetch: Node would keep the connection open, which the bridge counts.
  const text = await new Promise<string>((resolve, reject) => {
    const url = `${bridgeUrl}/metrics`;
    const options = { agent: false, rejectUnauthorized: false };
    const request = (url.startsWith("https:") ? https : http).get(url, options, (response) => {
      response.setEncoding("utf8");
      response.toArray().then((chunks) => resolve(chunks.join("")), reject);
    });
    request.on("error", reject);
  });
  return (name, absent) => {
    const line = text.split("\n").find((line) => line.startsWith(`${name} `));
    const value = line?.slice(name.length + 1) ?? absent;
    if (value === undefined) throw new Error(`no metric ${name} in:\n${text}`);
    return Number(value);
  };
}

/** Creates a certificate for localhost in a folder: cert.pem and key.pem. */
export function makeCertificate(folder: string): void {
  const args =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem";
  execFileSync("openssl", args.split(" "), { cwd: folder, stdio: "ignore" });
}

/**
 * How many times slower than alone a program runs, as far as the machine's load tells, up to
 * 4. Time limits are multiplied by it.
 */
export function slowness(): number {
  const [load = 1] = loadavg();
  return Math.min(4, Math.max(1, load / availableParallelism()));
}

/** Waits until check returns something other than undefined or false. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  check: () => Promise<T | undefined | false>,
): Promise<T> {
  for (const deadline = performance.now() + timeoutMs * slowness(); ; ) {
    const result = await check();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
