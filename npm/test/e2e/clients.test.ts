// Clients that others wrote, unmodified: they get the address of a bridge, with a
// provider in its path, and call the provider as if it were there.

import { execFile, execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root, Stage } from "./harness.js";

const clients = join(root, "npm/test/clients");

let folder: string;
let stage: Stage;
/** The number of leases that every client is to get. */
let active: number;

/** Runs one of the programs, which prints JSON. */
async function run(program: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)("node", [join(clients, program), ...args]);
  return JSON.parse(stdout);
}

/** Runs the Makefile's grpcurl, and returns what it prints. */
async function grpcurl(...args: string[]): Promise<string> {
  const makefile = await readFile(join(root, "Makefile"), "utf8");
  const path = makefile.match(/\$\(TOOLS\)\/(grpcurl@\S+)/)?.[1] ?? "";
  const { stdout } = await promisify(execFile)(join(root, ".tools", path), args);
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "clients-"));
  execFileSync(
    "openssl",
    [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1".split(" "),
      ..."-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1".split(" "),
      ...["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")],
    ],
    { stdio: "ignore" },
  );
  stage = await Stage.open({ fake: ["--log-lines", "20"] });
  const url = `${stage.url}/${stage.fake.ready.provider}/akash.provider.v1.ProviderRPC/GetStatus`;
  // Connect's protocol, by hand.
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  active = (await response.json()).cluster.leases.active;
  expect(active).toBeGreaterThan(0);
});
afterAll(async () => {
  await stage?.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each(["http", "https"])("over %s", (scheme) => {
  let bridge: Stage & AsyncDisposable;
  let baseUrl: string;

  beforeAll(async () => {
    const tls = ["--tls-cert", join(folder, "cert.pem"), "--tls-key", join(folder, "key.pem")];
    bridge = await stage.withNewBridge(...(scheme === "https" ? tls : []));
    baseUrl = `${bridge.url}/${stage.fake.ready.provider}`;
    expect(baseUrl).toMatch(new RegExp(`^${scheme}:`));
  });
  afterAll(() => bridge?.[Symbol.asyncDispose]());

  test("chain-sdk", async () => {
    const { lease, jwt } = stage.fake.ready;
    const got = await run("chain-sdk.mjs", baseUrl, JSON.stringify(lease), jwt);
    expect(got).toMatchObject({
      GetStatus: active,
      StreamStatus: active,
      ServiceStatus: ["web"],
      StreamServiceStatus: ["web"],
    });
    expect(got.ServiceLogs).toMatch(/^web: ./);
    expect(got.StreamServiceLogs).toMatch(/^web: ./);
  });

  test("connect-node", async () => {
    const refused = { code: "PermissionDenied", reason: "notAllowed" };
    const all = { unary: active, streamed: active, refused };
    expect(await run("connect-node.mjs", baseUrl)).toEqual({
      gRPC: all,
      "gRPC-Web": all,
      Connect: all,
      "Connect over HTTP/1.1": all,
      "Connect, JSON": all,
    });
  });

  test.runIf(scheme === "http")("grpc-js", async () => {
    expect(await run("grpc-js.mjs", baseUrl)).toEqual({ unary: active, streamed: active });
  });
});

describe("tools that ask the bridge for its services", () => {
  const service = "akash.provider.v1.ProviderRPC";

  test("grpcurl", async () => {
    const host = new URL(stage.url).host;
    const call = ["-plaintext", "-H", `akash-provider: ${stage.fake.ready.provider}`, host];
    expect((await grpcurl("-plaintext", host, "list")).split("\n")).toContain(service);
    expect(await grpcurl(...call, "describe", service)).toContain("rpc GetStatus");
    const status = JSON.parse(await grpcurl(...call, `${service}/GetStatus`));
    expect(status.cluster.leases.active).toBe(active);
  });

  test.each(["grpc", "grpcweb", "connect"])("buf curl --protocol %s", async (protocol) => {
    const url = `${stage.url}/${stage.fake.ready.provider}/${service}/GetStatus`;
    const flags = ["--http2-prior-knowledge", "--protocol", protocol];
    const buf = join(clients, "node_modules/.bin/buf");
    const { stdout } = await promisify(execFile)(buf, ["curl", ...flags, url]);
    const status = JSON.parse(stdout);
    expect(status.cluster.leases.active).toBe(active);
  });
});

test("grpcio, as documented", async () => {
  // Debian's; what is in PATH may be another Python, without grpcio.
  const generated = join(folder, "python");
  await mkdir(generated);
  const proto = join(root, "proto");
  const files = ["akash/provider/v1", "akash/inventory/v1", "akash/base/attributes/v1", "k8s"];
  const names = files.flatMap((directory) =>
    readdirSync(join(proto, directory), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".proto"))
      .map((name) => `${directory}/${name}`),
  );
  const plugin = "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin";
  const outputs = [plugin, `--python_out=${generated}`, `--grpc_out=${generated}`];
  await promisify(execFile)("/usr/bin/protoc", [
    `-I${proto}`,
    "-I/usr/include",
    ...outputs,
    ...names,
  ]);
  const text = await readFile(join(root, "bridge/CLIENTS.md"), "utf8");
  const [, example = ""] = /```python\n(.*?)```/s.exec(text) ?? [];
  const code = example
    .replace("127.0.0.1:8080", new URL(stage.url).host)
    .replace("akash1…", stage.fake.ready.provider);
  const options = { env: { PYTHONPATH: generated }, timeout: 20_000 };
  const { stdout } = await promisify(execFile)("/usr/bin/python3", ["-c", code], options);
  expect(stdout).toBe(`leases: ${active}\n`);
});

test("connect-web and grpc-web, in a page of another origin", async () => {
  const { outputFiles } = await build({
    entryPoints: [join(clients, "page.mjs")],
    bundle: true,
    write: false,
    format: "iife",
  });
  const page = await stage.page("module");
  await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
  const got = await page.evaluate(
    (baseUrl) =>
      (globalThis as unknown as { callProvider(url: string): Promise<unknown> }).callProvider(
        baseUrl,
      ),
    `${stage.url}/${stage.fake.ready.provider}`,
  );
  const both = { unary: active, streamed: active };
  expect(got).toEqual({
    "connect-web, Connect": both,
    "connect-web, gRPC-Web": both,
    "grpc-web": { unary: active },
    "grpc-web, text": both,
  });
});

describe("createProviderWebSDK", () => {
  /** What its program is given. */
  async function given() {
    // The manifest is what the SDK makes of a description, and its hash is on the chain.
    const { expected, sending } = await import(join(clients, "manifest.mjs")).then((m) =>
      m.manifestOf(),
    );
    await stage.fake.expectManifest(expected);
    const { provider, lease, jwt, expiredJwt } = stage.fake.ready;
    const ours = { bridgeUrl: stage.url, provider, leaseId: lease };
    return { ...ours, sending, token: jwt, expired: expiredJwt };
  }

  const error = (code: string, reason: string | undefined, message: RegExp) => ({
    code,
    reason,
    message: expect.stringMatching(message),
  });

  const expected = () => ({
    GetStatus: active,
    StreamStatus: active,
    ServiceStatus: ["web"],
    version: ["v0.16.0"],
    StreamServiceStatus: 1,
    ServiceLogs: expect.stringMatching(/^web: ./),
    StreamServiceLogs: expect.stringMatching(/^web: ./),
    SendManifest: {},
    asked: 2,
    errors: {
      expired: error("Unauthenticated", "tokenExpired", /the token expired at/),
      manifest: error("InvalidArgument", "manifestRefused", /manifest version validation failed/),
      unknown: error("NotFound", "unknownProvider", /^\[not_found\] .*akash1/),
      missing: error("Unauthenticated", "credentialMissing", /needs a credential/),
      aborted: error("Canceled", undefined, /StreamServiceLogs was aborted/),
      // By the transport or by the bridge, whose clocks run at the same time.
      late: error("DeadlineExceeded", undefined, /within 300 ms|deadline passed/),
      ended: error("Canceled", undefined, /disposed/),
      unreachable: error("Unavailable", "bridgeUnreachable", /http:\/\/127\.0\.0\.1:1\b/),
    },
  });

  test("in Node", async () => {
    const manifest = await stage.fake.manifest();
    const { callProvider } = await import(join(clients, "chain-sdk-web.mjs"));
    expect(await callProvider(await given())).toEqual(expected());
    await stage.fake.expectManifest(manifest);
  });

  test.each(["a page", "a worker"])("in %s of another origin", async (where) => {
    const { outputFiles } = await build({
      entryPoints: [join(clients, "chain-sdk-web.mjs")],
      bundle: true,
      write: false,
      format: "iife",
    });
    const [{ text } = { text: "" }] = outputFiles;
    expect(text.includes("akash-provider-web.wasm")).toBe(false);
    const manifest = await stage.fake.manifest();
    const page = await stage.page("module");
    const got = await page.evaluate(
      async ([script, given, inWorker]) => {
        const source = `${script}; onmessage = async ({ data }) => {
          try { postMessage(await callProvider(data)); } catch (error) { postMessage(String(error)); }
        };`;
        if (!inWorker) return new Function("given", `${script}; return callProvider(given)`)(given);
        const worker = new Worker(URL.createObjectURL(new Blob([source])));
        worker.postMessage(given);
        return new Promise((resolve) => {
          worker.onmessage = ({ data }) => resolve(data);
        });
      },
      [text, await given(), where === "a worker"] as const,
    );
    expect(got).toEqual(expected());
    await stage.fake.expectManifest(manifest);
    await page.close();
  });

  test("a bridge that restricts its callers gets its key", async () => {
    const bridgeKey = "a-key-of-20-characters";
    await using other = await stage.withNewBridge("--caller-key", bridgeKey);
    const { createProviderWebSDK, reasonOf } = await import("../../src/chain-sdk/index.js");
    const status = (more: object) => {
      const options = { bridgeUrl: other.url, provider: stage.fake.provider, ...more };
      return createProviderWebSDK(options).akash.provider.v1.getStatus({});
    };
    expect(reasonOf(await status({}).catch((error) => error))).toBe("bridgeKeyRefused");
    expect((await status({ bridgeKey })).cluster?.leases?.active).toBe(active);
    expect((await status({ bridgeKey: () => bridgeKey })).cluster?.leases?.active).toBe(active);
  });

  test("a page that the bridge refuses is told what to change", async () => {
    await using other = await stage.withNewBridge("--allow-origin", "https://app.example.com");
    const page = await stage.page("module");
    const { outputFiles } = await build({
      stdin: {
        contents: `import { createProviderWebSDK, reasonOf } from "./chain-sdk/index.js";
          globalThis.reason = (options) => createProviderWebSDK(options)
            .akash.provider.v1.getStatus({}).catch(reasonOf);`,
        resolveDir: join(root, "npm/dist"),
      },
      bundle: true,
      write: false,
      format: "iife",
      nodePaths: [join(root, "npm/node_modules")],
    });
    await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
    const { provider } = stage.fake;
    const reason = await page.evaluate(
      (options) =>
        (globalThis as unknown as { reason(options: object): Promise<string> }).reason(options),
      { bridgeUrl: other.url, provider },
    );
    expect(reason).toBe("originRefused");
    await page.close();
  });
});

// The table in the bridge's documentation names the versions that were tested.
test("the documentation names the versions of these clients", async () => {
  const text = await readFile(join(root, "bridge/README.md"), "utf8");
  const dependencies: Record<string, string> = {};
  for (const path of ["npm/package.json", "npm/test/clients/package.json"]) {
    const manifest = JSON.parse(await readFile(join(root, path), "utf8"));
    Object.assign(dependencies, manifest.devDependencies, manifest.dependencies);
  }
  const tools = await readFile(join(root, "Makefile"), "utf8");
  for (const [, name = "", version] of text.matchAll(/^\| `([^`]+)` \| ([\d.]+\S*) \|/gm)) {
    const pinned =
      dependencies[name] ?? tools.match(new RegExp(`/${name}@v(\\S+)/${name}`))?.[1] ?? "none";
    expect(`${name} ${version}`).toBe(`${name} ${pinned}`);
  }
  for (const name of [
    "@akashnetwork/chain-sdk",
    "@connectrpc/connect-node",
    "grpcurl",
    "@bufbuild/buf",
  ]) {
    expect(text).toContain(`| \`${name}\` |`);
  }
});
