// The whole product as its users have it: the built testserver and bridge, and
// Chromium with the built package in it.

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Program, start } from "../../../web/program.mjs";

export const root = fileURLToPath(new URL("../../../", import.meta.url));

export const serviceLogs = "/akash.provider.lease.v1.LeaseRPC/ServiceLogs";
export const streamStatus = "/akash.provider.v1.ProviderRPC/StreamStatus";

/** A lease, as the testserver's ready line tells it. */
export interface Lease {
  owner: string;
  dseq: number;
  gseq: number;
  oseq: number;
  provider: string;
}

/** The testserver's ready line. */
export interface Ready {
  provider: string;
  hostUri: string;
  rest: string;
  grpc: string;
  chainRpc: string;
  control: string;
  lease: Lease;
  services: string[];
  jwt: string;
  expiredJwt: string;
}

/** A client certificate as the testserver makes it. */
export interface ClientCertificate {
  certPem: string;
  keyPem: string;
}

/** The parts of a status's protojson that tests name. */
export interface Status {
  timestamp?: string;
  cluster: {
    leases: { active: number };
    inventory: { cluster: { nodes: { name: string }[]; storage: { info: { class: string } }[] } };
  };
}

/** What a replica has written so far; the hash is over all its lines. */
export interface Log {
  service: string;
  replica: number;
  lines: number;
  bytes: number;
  sha256: string;
}

/** Calls by gRPC method or REST route, as the testserver counts them. */
export interface Streams {
  open: Record<string, number>;
  total: Record<string, number>;
  cancelled: Record<string, number>;
}

/** The testserver, and the API by which tests look behind it and steer it. */
export class Fake {
  readonly program: Program;
  readonly ready: Ready;

  private constructor(program: Program) {
    this.program = program;
    this.ready = program.ready;
  }

  static async start(...args: string[]): Promise<Fake> {
    return new Fake(await start(join(root, "bin/testserver"), args, { quiet: true }));
  }

  /** The status being served, the first provider's if none is named, as protojson. */
  status = (provider = "") => this.#get<Status>(`/status?provider=${provider}`);
  setStatus = (status: Status) => this.#send("POST", "/status", JSON.stringify(status));
  logs = () => this.#get<Log[]>("/logs");
  streams = () => this.#get<Streams>("/streams");
  /** How many calls of a method are open. */
  open = async (method: string) => (await this.streams()).open[method] ?? 0;

  write = (log: Pick<Log, "service" | "replica">, text: string) =>
    this.#send("POST", `/write?service=${log.service}&replica=${log.replica}`, text);
  /** Closes every connection of the provider, once. */
  cut = () => this.#send("POST", "/cut");
  setFault = (name: string) => this.#send("POST", `/fault?name=${name}`);
  clearFault = (name: string) => this.#send("DELETE", `/fault?name=${name}`);
  /** Makes a token of the tenant's; query and claims as the testserver's README has them. */
  token = async (query = "", claims?: object): Promise<string> => {
    const body = claims && JSON.stringify(claims);
    const { token } = await (await this.#send("POST", `/token?${query}`, body)).json();
    return token;
  };
  clientCertificate = async (kind = "valid"): Promise<ClientCertificate> =>
    (await this.#send("POST", `/client-certificate?kind=${kind}`)).json();
  /** Starts one more replica of a service. */
  grow = (service: string) => this.#send("POST", `/grow?service=${service}`);
  /** Has the cluster warn of a service. */
  warn = (service: string, reason: string, note: string) =>
    this.#send("POST", `/event?${new URLSearchParams({ service, reason, note })}`);
  manifest = () => this.#get<{ services: { count: number }[] }[]>("/manifest");
  /** Makes the chain expect a manifest. */
  expectManifest = (manifest: object) => this.#send("POST", "/manifest", JSON.stringify(manifest));
  /** What one replica has written so far. */
  log = async ({ service, replica }: Pick<Log, "service" | "replica">): Promise<string> =>
    (await this.#send("GET", `/log?service=${service}&replica=${replica}`)).text();
  crash = () => this.#send("POST", "/crash");
  revive = () => this.#send("POST", "/revive");
  setCertificate = (kind: string) => this.#send("POST", `/certificate?kind=${kind}`);

  async #get<T>(path: string): Promise<T> {
    const response = await this.#send("GET", path);
    return (await response.json()) as T;
  }

  async #send(method: string, path: string, body?: string): Promise<Response> {
    const response = await fetch(
      this.ready.control + path,
      body === undefined ? { method } : { method, body },
    );
    if (!response.ok)
      throw new Error(`control ${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }
}

/** Serves the built npm package, and pages that use it, as any static host does. */
class StaticSite {
  #server: Server;
  url = "";

  constructor(bridgeUrl: string) {
    this.#server = createServer(async (request, response) => {
      const path = normalize(new URL(request.url ?? "/", "http://host").pathname);
      const page = pages(bridgeUrl)[path];
      if (page !== undefined) {
        response.setHeader("Content-Type", "text/html; charset=utf-8");
        response.end(page);
        return;
      }
      try {
        const body = await readFile(join(root, "npm", path));
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

// Each page ends with a client of the bridge in the global variable client. The
// script tag comes from the bridge, which is another origin.
const pages = (bridgeUrl: string): Record<string, string> => ({
  "/script": `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
    <script src="${bridgeUrl}/akash-provider-web.min.js"></script>
    <script>var ready = AkashProvider.createClient({ bridgeUrl: "${bridgeUrl}" }).then((c) => { client = c })</script>`,
  "/module": `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
    <script type="module">
      import { createClient } from "/dist/index.js";
      globalThis.ready = createClient({ bridgeUrl: "${bridgeUrl}" }).then((c) => { globalThis.client = c });
    </script>`,
});

/** Ways by which a page gets the client. */
export type Flavour = "script" | "module";

/** Options of a stage: flags of its programs. */
export interface StageOptions {
  fake?: string[];
  bridge?: string[];
}

/** A testserver, a bridge before it, and a browser before that. */
export class Stage {
  readonly fake: Fake;
  readonly bridge: Program;
  readonly browser: Browser;
  readonly #site: StaticSite;

  private constructor(fake: Fake, bridge: Program, browser: Browser, site: StaticSite) {
    this.fake = fake;
    this.bridge = bridge;
    this.browser = browser;
    this.#site = site;
  }

  static async open({ fake = [], bridge = [] }: StageOptions = {}): Promise<Stage> {
    const behind = await Fake.start(...fake);
    try {
      const before = await startBridge(behind, ...bridge);
      const site = new StaticSite(before.ready.url);
      await site.listen();
      return new Stage(behind, before, await launch(), site);
    } catch (error) {
      await behind.program.stop();
      throw error;
    }
  }

  get url(): string {
    return this.bridge.ready.url;
  }

  /** Opens a page of a static site that has a client in the variable client. */
  async page(flavour: Flavour): Promise<Page> {
    const page = await this.browser.newPage();
    await page.goto(`${this.#site.url}/${flavour}`);
    await page.waitForFunction("globalThis.ready");
    await page.evaluate("ready");
    return page;
  }

  /** Opens the bridge's dashboard, and makes a client of the test's own there. */
  async dashboard(fields: Record<string, string | number> = {}): Promise<Page> {
    const page = await this.browser.newPage();
    const fragment = new URLSearchParams(
      Object.entries(fields).map(([name, value]) => [name, String(value)]),
    );
    await page.goto(`${this.url}/#${fragment}`);
    await page.evaluate(
      "AkashProvider.createClient({ bridgeUrl: location.origin }).then((c) => { client = c })",
    );
    return page;
  }

  /** Closes all pages, so that one test's streams do not go on in the next. */
  async closePages(): Promise<void> {
    await Promise.all(this.browser.contexts().map((context) => context.close()));
  }

  /** What the programs wrote to stderr, for the report of a failed test. */
  errors(): string {
    return `--- testserver\n${this.fake.program.errors()}\n--- bridge\n${this.bridge.errors()}`;
  }

  /** Returns this stage with a bridge that remembers nothing. */
  async withNewBridge(...args: string[]): Promise<Stage & AsyncDisposable> {
    const bridge = await startBridge(this.fake, ...args);
    const stage = new Stage(this.fake, bridge, this.browser, this.#site);
    return Object.assign(stage, { [Symbol.asyncDispose]: () => bridge.stop() });
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.#site.close();
    await this.bridge.stop();
    await this.fake.program.stop();
  }
}

/** Starts a bridge whose chain is the testserver's. */
export function startBridge(fake: Fake, ...args: string[]): Promise<Program> {
  return start(
    join(root, "bin/akash-provider-bridge"),
    [
      "--listen",
      "127.0.0.1:0",
      "--chain-rpc",
      fake.ready.chainRpc,
      "--allow-private-networks",
      ...args,
    ],
    { quiet: true },
  );
}

/** Starts Debian's Chromium so that it talks to nobody but the tests. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Waits until check returns something else than undefined or false. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  check: () => Promise<T | undefined | false>,
): Promise<T> {
  for (const deadline = performance.now() + timeoutMs; ; ) {
    const result = await check();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
