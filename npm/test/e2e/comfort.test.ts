// Errors and warnings for a developer whose page, server or bridge is misconfigured.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as httpRequest, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ClientOptions, createClient as CreateClient } from "../../src/index.js";
import { browserName, loadScript, root, Stage } from "./harness.js";
import type { Failure } from "./page.js";

declare const createClient: typeof CreateClient;

const dist = join(root, "npm/dist");
const wasm = readFileSync(join(dist, "akash-provider-web.wasm"));
const html = `<!doctype html><link rel="icon" href="data:,"><script type="module">
  import { createClient } from "/index.js";
  globalThis.createClient = createClient;
</script>`;

/** A web app's server, in several configurations. */
const serve: RequestListener = (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://host");
  const send = (body: string | Buffer, headers: Record<string, string>, status = 200) => {
    response.writeHead(status, { "Content-Length": Buffer.byteLength(body), ...headers });
    response.end(body);
  };
  switch (pathname) {
    case "/":
      return send(html, {
        "Content-Type": "text/html",
        "Content-Security-Policy": searchParams.get("policy") ?? "",
      });
    case "/index.js":
    case "/worker.js":
      return send(readFileSync(join(dist, pathname)), { "Content-Type": "text/javascript" });
    case "/right.wasm":
    case "/akash-provider-web.wasm":
      return send(wasm, { "Content-Type": "application/wasm" });
    case "/compressed.wasm":
      return send(gzipSync(wasm, { level: 1 }), {
        "Content-Type": "application/wasm",
        "Content-Encoding": "gzip",
      });
    case "/octets.wasm":
      return send(wasm, { "Content-Type": "application/octet-stream" });
    case "/app.wasm": // as single-page apps are served
      return send(html, { "Content-Type": "text/html" });
    case "/garbage.wasm":
      return send("\0asn", { "Content-Type": "application/wasm" });
    default:
      return send("no", {}, 404);
  }
};

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let stage: Stage;
let server: Server;
let site: string;
let page: Page;
/** The console's output. */
let told: string[];

beforeAll(async () => {
  stage = await Stage.open();
  server = createServer(serve);
  site = `http://${await listen(server)}`;
});
afterEach(() => stage.closePages());
afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
  await stage?.close();
});

async function open(policy = "", url = site): Promise<void> {
  page = await stage.browser.newPage({ ignoreHTTPSErrors: true });
  told = [];
  page.on("console", (message) => told.push(`${message.type()}: ${message.text()}`));
  await page.goto(`${url}/?${new URLSearchParams({ policy })}`);
  await page.waitForFunction("globalThis.createClient");
}

/** Creates a client and gets a status; returns the error, or "". */
function ask(options: ClientOptions): Promise<Failure | ""> {
  return page.evaluate(
    async ([options, provider]) => {
      const failure = ({ name, code, reason, message, attempts }: Failure): Failure => ({
        ...{ name, code, reason, message, attempts },
      });
      try {
        const client = await createClient(options);
        const result = await client.getProviderStatus(provider);
        return result.status === "success" ? "" : failure(result.error);
      } catch (error) {
        return failure(error as Failure);
      }
    },
    [options, stage.fake.provider] as const,
  );
}

/** The site at another origin, whose responses pages of the first may not read. */
const elsewhere = () => site.replace("127.0.0.1", "localhost");

const loading = (wasmUrl: string) => ask({ bridgeUrl: stage.url, wasmUrl });

describe("the module", () => {
  test.each(["/right.wasm", "/compressed.wasm"])(
    "tells how far it has been loaded: %s",
    async (wasmUrl) => {
      await open();
      const seen = await page.evaluate(
        async ([bridgeUrl, wasmUrl]) => {
          const seen: { loaded: number; total: number }[] = [];
          await createClient({ bridgeUrl, wasmUrl, onProgress: (p) => seen.push(p) });
          return seen;
        },
        [stage.url, wasmUrl] as const,
      );
      expect(seen.length).toBeGreaterThan(2);
      expect(seen[0]).toEqual({ loaded: 0, total: wasm.length });
      expect(seen.at(-1)).toEqual({ loaded: wasm.length, total: wasm.length });
      for (const [i, { loaded, total }] of seen.entries()) {
        expect(total).toBe(wasm.length);
        expect(loaded).toBeGreaterThanOrEqual(seen[i - 1]?.loaded ?? 0);
      }
      expect(told).toEqual([]);
    },
  );

  test("loads with a wrong MIME type, and the console says how to fix it", async () => {
    await open();
    expect(await loading("/octets.wasm")).toBe("");
    expect(told).toEqual([expect.stringMatching(/^warning: .*Content-Type: application\/wasm/)]);
  });

  test.each([
    ["is not there", "/absent.wasm", /HTTP 404\. Put akash-provider-web\.wasm there, or .*wasmUrl/],
    ["is an app's page", "/app.wasm", /answered with a page.*wasmUrl/],
    ["is something else", "/garbage.wasm", /it is not the module.*wasmUrl/],
  ])("that %s is an error that says what to do", async (_, wasmUrl, says) => {
    await open();
    expect(await loading(wasmUrl)).toMatchObject({
      name: "ProviderError",
      code: "UNAVAILABLE",
      message: expect.stringMatching(says),
    });
    // The next call tries again.
    expect(await loading("/right.wasm")).toBe("");
  });

  test("of another origin needs that server's permission", async () => {
    await open("", site.replace("127.0.0.1", "localhost"));
    expect(await loading(`${site}/right.wasm`)).toMatchObject({
      message: expect.stringContaining("Access-Control-Allow-Origin"),
    });
  });

  test("that a Content-Security-Policy forbids says what it needs", async () => {
    await open("script-src 'self' 'unsafe-inline'");
    expect(await loading("/right.wasm")).toMatchObject({
      message: expect.stringContaining("'wasm-unsafe-eval'"),
    });
  });
});

describe("a bridge", () => {
  test("that is down is reported as such", async () => {
    await open();
    await using bridge = await stage.fake.startBridge();
    await bridge.kill();
    expect(await ask({ bridgeUrl: bridge.url, retries: 1 })).toMatchObject({
      code: "UNAVAILABLE",
      reason: "bridgeUnreachable",
      message: expect.stringMatching(/cannot reach the bridge at http.*is it running/),
      attempts: 2,
    });
  });

  test("whose own page lost the connection does not suggest allowing that page", async () => {
    await using bridge = await stage.fake.startBridge();
    page = await stage.browser.newPage();
    await page.goto(bridge.url);
    await loadScript(page);
    await page.evaluate(
      "AkashProvider.createClient({ retries: 0 }).then((c) => { globalThis.client = c })",
    );
    await bridge.kill();
    const error = await page.evaluate(async (provider) => {
      const { error } = await client.getProviderStatus(provider);
      return { reason: error?.reason, message: error?.message };
    }, stage.fake.provider);
    expect(error.reason).toBe("bridgeUnreachable");
    expect(error.message).toContain(`cannot reach the bridge at ${bridge.url}`);
    expect(error.message).not.toContain("allow-origin");
  });

  test.each([
    ["the page's own server, as where bridgeUrl is left out", "fetch", () => ({})],
    ["the same over WebSockets", "websocket", () => ({})],
    ["a server of another origin", "fetch", () => ({ bridgeUrl: elsewhere() })],
    ["the same over WebSockets", "websocket", () => ({ bridgeUrl: elsewhere() })],
  ] satisfies [string, "fetch" | "websocket", () => ClientOptions][])(
    "that is none is said to be: %s",
    async (_, transport, options) => {
      await open();
      const none = {
        reason: "notABridge",
        message: expect.stringMatching(/akash-provider-bridge/),
      };
      const own = !("bridgeUrl" in options());
      if (own) none.message = expect.stringMatching(/HTTP 404.*without bridgeUrl the page's own/);
      expect(await ask({ ...options(), retries: 0 })).toMatchObject(none);
      const { provider, lease, auth } = stage.fake;
      const thrown = page.evaluate(
        async ([options, request]) => {
          const client = await createClient(options);
          try {
            for await (const _ of client.streamLogs(request));
          } catch (error) {
            const { reason, message } = error as Failure;
            return { reason, message };
          }
          return undefined;
        },
        [
          { ...options(), retries: 0, transport },
          { provider, lease, auth: auth.jwt },
        ] as const,
      );
      expect(await thrown).toMatchObject(none);
    },
  );

  test("that is down behind a proxy is retried, even at first", async () => {
    await open();
    let away = true;
    const proxy = createServer((request, response) => {
      if (away) {
        response.writeHead(503).end("<h1>No server is available</h1>");
        // The page's call has failed, and it looks for the cause.
        if (request.url === "/sri.json") away = false;
        return;
      }
      const { url, method, headers } = request;
      const onward = httpRequest(stage.url + url, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    try {
      const bridgeUrl = `http://${await listen(proxy)}`;
      expect(await ask({ bridgeUrl, retries: 1 })).toBe("");
      expect(away).toBe(false);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  test.each([
    ["over fetch", { transport: "fetch" }],
    ["over WebSockets", { transport: "websocket" }],
    ["from a worker", { worker: true }],
  ] satisfies [string, ClientOptions][])(
    "that refuses the page's origin says how to start it, %s",
    async (_, options) => {
      await open();
      await using bridge = await stage.fake.startBridge("--allow-origin", "https://other.example");
      const refused = {
        code: "PERMISSION_DENIED",
        reason: "originRefused",
        message: expect.stringContaining(`start it with --allow-origin ${site}`),
        attempts: 1,
      };
      expect(await ask({ bridgeUrl: bridge.url, ...options })).toMatchObject(refused);
      const { provider, lease, auth } = stage.fake;
      const thrown = page.evaluate(
        async ([options, request]) => {
          const client = await createClient(options);
          try {
            for await (const _ of client.streamLogs({ ...request, follow: true }));
          } catch (error) {
            const { code, reason, message, attempts } = error as Failure;
            return { code, reason, message, attempts };
          }
          return undefined;
        },
        [
          { bridgeUrl: bridge.url, ...options },
          { provider, lease, auth: auth.jwt },
        ] as const,
      );
      expect(await thrown).toMatchObject(refused);
    },
  );

  test("that a Content-Security-Policy forbids says what that needs", async () => {
    await open("connect-src 'self'");
    expect(await ask({ bridgeUrl: stage.url })).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "blockedByPolicy",
      message: expect.stringMatching(
        new RegExp(`add ${stage.url} and ${stage.url.replace("http", "ws")} to its connect-src`),
      ),
    });
  });

  test("over http cannot be called by pages over https, and the console says so at once", async () => {
    const folder = mkdtempSync(join(tmpdir(), "akash-comfort-"));
    execFileSync(
      "openssl",
      [
        ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1".split(" "),
        ..."-keyout key.pem -out cert.pem -subj /CN=localhost".split(" "),
      ],
      { cwd: folder, stdio: "ignore" },
    );
    const secure = createSecureServer(
      { key: readFileSync(join(folder, "key.pem")), cert: readFileSync(join(folder, "cert.pem")) },
      serve,
    );
    try {
      await open("", `https://${await listen(secure)}`);
      const bridgeUrl = "http://192.0.2.1:8080";
      const says = "serve it over https (--tls-cert and --tls-key, or a proxy before it)";
      expect(await ask({ bridgeUrl })).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "mixedContent",
        message: expect.stringContaining(says),
      });
      expect(told[0]).toMatch(/^warning: akash-provider-web: a page over https may not call/);
      // On the same machine it is allowed, except by WebKit.
      const local = await ask({ bridgeUrl: stage.url, retries: 0 });
      if (browserName === "webkit") expect(local).toMatchObject({ reason: "bridgeUnreachable" });
      else expect(local).toBe("");
    } finally {
      secure.closeAllConnections();
      secure.close();
      rmSync(folder, { recursive: true });
    }
  });
});
