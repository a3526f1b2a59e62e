// Clients that others wrote, unmodified: they get the address of a bridge, with a
// provider in its path, and call the provider as if it were there.

import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
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

/** Runs a tool of the Makefile, and returns what it prints. */
async function tool(name: string, ...args: string[]): Promise<string> {
  const makefile = await readFile(join(root, "Makefile"), "utf8");
  const path = makefile.match(new RegExp(`\\$\\(TOOLS\\)/(${name}@\\S+)`))?.[1] ?? "";
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
    expect((await tool("grpcurl", "-plaintext", host, "list")).split("\n")).toContain(service);
    expect(await tool("grpcurl", ...call, "describe", service)).toContain("rpc GetStatus");
    const status = JSON.parse(await tool("grpcurl", ...call, `${service}/GetStatus`));
    expect(status.cluster.leases.active).toBe(active);
  });

  test.each(["grpc", "grpcweb", "connect"])("buf curl --protocol %s", async (protocol) => {
    const url = `${stage.url}/${stage.fake.ready.provider}/${service}/GetStatus`;
    const flags = ["--http2-prior-knowledge", "--protocol", protocol];
    const status = JSON.parse(await tool("buf", "curl", ...flags, url));
    expect(status.cluster.leases.active).toBe(active);
  });
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

// The table in the bridge's documentation names the versions that were tested.
test("the documentation names the versions of these clients", async () => {
  const text = await readFile(join(root, "bridge/README.md"), "utf8");
  const { dependencies } = JSON.parse(await readFile(join(clients, "package.json"), "utf8"));
  const tools = await readFile(join(root, "Makefile"), "utf8");
  for (const [, name = "", version] of text.matchAll(/^\| `([^`]+)` \| ([\d.]+\S*) \|/gm)) {
    const pinned =
      dependencies[name] ?? tools.match(new RegExp(`/${name}@v(\\S+)/${name}`))?.[1] ?? "none";
    expect(`${name} ${version}`).toBe(`${name} ${pinned}`);
  }
  for (const name of ["@akashnetwork/chain-sdk", "@connectrpc/connect-node", "grpcurl", "buf"]) {
    expect(text).toContain(`| \`${name}\` |`);
  }
});
