// Runs connectrpc's conformance suite against the bridge and the clients and prints a
// line per suite. A run of all suites writes bin/conformance.json. Exits with 1 if a
// case failed.
//
//   node testserver/conformance/run.mjs [--short] [--repeat N] [--browser NAME] [NAME…]
//
//   --short          each mode once, as in `make test`
//   --repeat N       every suite N times in a row; reports the worst run
//   --browser NAME   the suites of our client, in firefox or webkit instead of chromium
//   NAME…            only the suites whose name contains one of these
//
// The suite's tools are installed from the Go module proxy into .tools. Its messages
// are generated from the protos in its module. See package.json for the rest.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const version = "v1.0.6"; // v1.0.7 does not resolve
const module = "connectrpc.com/conformance";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
// What drives browsers other than Chromium.
const browsers = join(root, "npm/test/browsers");
const tools = join(root, ".tools", `conformance@${version}`);
const dist = join(here, "dist");

const tool = (name) => join(tools, name);
const bridge = (server) => [join(dist, "bridge"), tool(server)];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: "boolean", default: false },
    repeat: { type: "string", default: "1" },
    browser: { type: "string", default: "chromium" },
  },
});
const inChromium = values.browser === "chromium";

// The suites: the number of cases that the configuration selects, so that a missing
// case is noticed, and the programs under test: the client in a page, and a command.
//
// Racy are cases that the suite itself fails at times: its client and the server stop at
// the same deadline. If the headers of the server's error arrive before and its body after
// it, the client reports the error that it should, but then the suite misses the body.
// Such a case has to pass when it runs again.
const suites = [
  {
    name: "bridge, referenceserver behind it",
    short: true,
    cases: 496,
    mode: "server",
    config: "server",
    command: bridge("referenceserver"),
  },
  {
    name: "bridge, grpcserver behind it",
    short: true,
    cases: 496,
    mode: "server",
    config: "server",
    knownFailing: "grpc-server",
    command: bridge("grpcserver"),
  },
  {
    name: "bridge over gRPC, referenceserver behind it",
    short: true,
    cases: 360,
    mode: "server",
    config: "grpc",
    command: bridge("referenceserver"),
  },
  {
    name: "bridge over gRPC, grpcserver behind it",
    cases: 360,
    mode: "server",
    config: "grpc",
    knownFailing: "grpc-native",
    command: bridge("grpcserver"),
  },
  {
    name: "bridge over Connect, referenceserver behind it",
    short: true,
    cases: 616,
    mode: "server",
    config: "connect",
    racy: "Timeouts/**/unary",
    command: bridge("referenceserver"),
  },
  {
    name: "connect-web to bridge, referenceserver behind it",
    short: true,
    cases: 153,
    mode: "both",
    config: "browser",
    page: "connect",
    command: ["----", ...bridge("referenceserver")],
  },
  {
    name: "connect-web to bridge, grpcserver behind it",
    cases: 153,
    mode: "both",
    config: "browser",
    page: "connect",
    command: ["----", ...bridge("grpcserver")],
  },
  {
    name: "grpc-web (text) to bridge, referenceserver behind it",
    short: true,
    cases: 51,
    mode: "both",
    config: "text",
    knownFailing: "grpc-web",
    page: "grpc-web",
    command: ["----", ...bridge("referenceserver")],
  },
  {
    name: "our client",
    short: true,
    cases: 342,
    mode: "client",
    config: "browser",
    page: "akash",
    command: [],
  },
  {
    name: "our client to bridge, referenceserver behind it",
    cases: 153,
    mode: "both",
    config: "browser",
    page: "akash",
    command: ["----", ...bridge("referenceserver")],
  },
];

const chosen = suites.filter(
  ({ name, short, page }) =>
    (short || !values.short) &&
    (inChromium || page === "akash") &&
    (positionals.length === 0 || positionals.some((part) => name.includes(part))),
);

install();
build();
if (!inChromium) console.log(await versionOf(values.browser));
const results = [];
for (const suite of chosen) {
  const runs = [];
  for (let i = 0; i < Number(values.repeat); i++) runs.push(await run(suite));
  const worst = runs.reduce((a, b) => (b.failed > a.failed ? b : a));
  results.push({ suite: suite.name, ...worst });
  const again = runs.length > 1 ? `, the worst of ${runs.length} runs` : "";
  console.log(
    `${suite.name}: ${worst.passed} passed, ${worst.failed} failed, ${worst.knownFailing} known failing${again}`,
  );
}
if (chosen.length === suites.length) {
  mkdirSync(join(root, "bin"), { recursive: true });
  writeFileSync(join(root, "bin/conformance.json"), `${JSON.stringify(results, null, 2)}\n`);
}
process.exitCode = results.some(({ failed }) => failed > 0) ? 1 : 0;

/** Installs the suite's programs and this directory's npm packages once. */
function install() {
  if (!existsSync(tool("connectconformance"))) {
    const commands = ["grpcserver", "referenceserver", "connectconformance"];
    sh(
      "go",
      ["install", "-trimpath", ...commands.map((name) => `${module}/cmd/${name}@${version}`)],
      {
        env: { ...process.env, GOBIN: tools },
      },
    );
  }
  for (const cwd of inChromium ? [here] : [here, browsers]) {
    const time = (path) => statSync(join(cwd, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (time("node_modules/.package-lock.json") < time("package-lock.json")) {
      sh("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd });
    }
  }
}

/** Generates the suite's messages and builds the programs under test. */
function build() {
  const npx = (name, args) => sh(join(here, "node_modules/.bin", name), args, { cwd: here });
  const { Dir } = JSON.parse(sh("go", ["mod", "download", "-json", `${module}@${version}`]));
  npx("buf", ["generate", join(Dir, "proto"), "--template", "buf.gen.yaml"]);
  npx("tsc", ["--noEmit"]);
  const esbuild = ["--bundle", "--outdir=dist", "--log-level=warning"];
  npx("esbuild", [
    "client/main.ts",
    ...esbuild,
    "--platform=node",
    "--format=esm",
    "--external:playwright-core",
    `--external:${relative(here, join(browsers, "drivers.mjs"))}`,
  ]);
  const wasmExec = join(sh("go", ["env", "GOROOT"]).trim(), "lib/wasm/wasm_exec.js");
  const clients = ["client/connect.ts", "client/grpc-web.ts", "client/akash.ts"];
  npx("esbuild", [
    ...clients,
    ...esbuild,
    "--format=esm",
    "--target=es2022",
    `--alias:wasm_exec.js=${wasmExec}`,
  ]);
  sh("go", ["build", "-o", join(dist, "akash.wasm"), "./wasm/conformance"], {
    cwd: root,
    env: { ...process.env, GOOS: "js", GOARCH: "wasm" },
  });
  sh("go", ["build", "-o", join(dist, "bridge"), "./bridge/conformance"], { cwd: root });
}

async function versionOf(browser) {
  const { launch } = await import(join(browsers, "drivers.mjs"));
  const started = await launch(browser);
  const version = started.version();
  await started.close();
  return version;
}

function sh(command, args, options) {
  return execFileSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    ...options,
  });
}

/** Starts a client in a page of the browser. */
async function open(client) {
  const args = [join(dist, "main.js"), client, "--browser", values.browser];
  const program = spawn("node", args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => program.on("close", resolve));
  const port = await new Promise((resolve, reject) => {
    program.stdout.setEncoding("utf8").once("data", resolve);
    ended.then((status) => reject(new Error(`main.js ended with ${status}`)));
  });
  const close = () => {
    program.stdin.end();
    return ended;
  };
  return { command: ["node", join(here, "pipe.mjs"), port.trim()], close };
}

/** Runs a suite and counts its cases. Prints the runner's output if any failed. */
async function run({ page, command, racy, ...suite }) {
  const client = page && (await open(page));
  try {
    suite.command = [...(client?.command ?? []), ...command];
    if (!racy) return await conform(suite);
    const first = await conform({ ...suite, flags: ["--known-flaky", racy] });
    if (first.failed > 0 || first.knownFailing === 0) return first;
    for (let attempt = 1; ; attempt++) {
      const again = await conform({ ...suite, cases: undefined, flags: ["--run", racy] });
      if (again.failed === 0) return { passed: suite.cases, failed: 0, knownFailing: 0 };
      if (attempt === 3) return { ...first, failed: again.failed, knownFailing: 0 };
    }
  } finally {
    await client?.close();
  }
}

async function conform({ cases, mode, config, knownFailing, command, flags = [] }) {
  const args = ["--mode", mode, "--conf", join(here, "suites", `${config}.yaml`), "--trace"];
  if (knownFailing)
    args.push("--known-failing", `@${join(here, "known-failing", `${knownFailing}.txt`)}`);
  const driver = spawn(tool("connectconformance"), [...args, ...flags, "--", ...command]);
  let output = "";
  for (const stream of [driver.stdout, driver.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  }
  const status = await new Promise((exited) => driver.on("close", exited));

  const count = (pattern) => Number(output.match(pattern)?.[1] ?? 0);
  const passed = count(/^(\d+) passed, \d+ failed/m);
  const expected = count(/^\(Another (\d+) failed as expected/m);
  // Missing cases could not be run, or are no longer selected.
  const missing = cases === undefined ? 0 : Math.abs(cases - passed - expected);
  const failed = Math.max(missing, count(/^\d+ passed, (\d+) failed/m), status === 0 ? 0 : 1);
  if (failed > 0) console.error(output);
  return { passed, failed, knownFailing: expected };
}
