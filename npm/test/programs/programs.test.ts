// The programs as npm carries them: packed for this platform, and installed from the
// tarballs, without a network.
//
// COLD=1 has the second of two builds compile everything anew.

import {
  type ChildProcess,
  execFile,
  execFileSync,
  type SpawnOptions,
  spawn,
} from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../e2e/harness.js";

const run = promisify(execFile);
const platform = `${process.platform}-${process.arch}`;
const temporary = mkdtempSync(join(tmpdir(), "akash-provider-web-programs-test-"));
const packed = join(temporary, "packed");
const user = join(temporary, "user");
const launch = join(user, "node_modules/.bin/akash-provider-bridge");

/** Packs the bridge from the sources in a directory. */
async function build(sources: string, out: string, env = process.env): Promise<void> {
  const which = ["--platform", platform, "--program", "akash-provider-bridge"];
  await run("node", [join(sources, "npm/programs/build.mjs"), ...which, "--out", out], { env });
}

beforeAll(async () => {
  await build(root, packed);
  execFileSync("node", [join(root, "npm/pack.mjs"), "--out", packed]);
  const tarballs = readdirSync(packed).filter((name) => name.endsWith(".tgz"));
  cpSync(packed, user, { recursive: true });
  writeFileSync(join(user, "package.json"), "{}");
  await run(
    "npm",
    ["install", "--offline", "--no-audit", "--no-fund", ...tarballs.map((name) => `./${name}`)],
    {
      cwd: user,
    },
  );
});
afterAll(() => rmSync(temporary, { recursive: true }));

/** Starts the bridge by its command, and waits until it is ready. */
async function start(
  command = [launch],
  options: SpawnOptions = {},
): Promise<{ program: ChildProcess; url: string }> {
  const [file = launch, ...args] = [...command, "--listen", "127.0.0.1:0"];
  const program = spawn(file, args, { stdio: ["ignore", "pipe", "ignore"], ...options });
  const [line] = await once(
    createInterface({ input: program.stdout as NodeJS.ReadableStream }),
    "line",
  );
  return { program, url: JSON.parse(line).url };
}

/** Reports whether a bridge answers. */
async function alive(url: string): Promise<boolean> {
  return fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

test("two builds in different places give the same bytes", async () => {
  const sources = join(temporary, "sources");
  const left = new Set([".git", ".tools", "bin", "npm/dist"]);
  cpSync(root, sources, {
    recursive: true,
    filter: (path) => !left.has(relative(root, path)) && basename(path) !== "node_modules",
  });
  const again = join(temporary, "again");
  const cold = process.env.COLD ? { GOCACHE: join(temporary, "cache") } : {};
  await build(sources, again, { ...process.env, ...cold });
  const sums = readFileSync(join(again, "SHA256SUMS"), "utf8");
  expect(sums).toBe(readFileSync(join(packed, "SHA256SUMS"), "utf8"));
  expect(sums).toMatch(new RegExp(`bridge-${platform}-`));
});

/** Runs publish.mjs on what is packed, with an npm that only says how it was called. */
async function publish(flags: string[], env: Record<string, string>): Promise<string[]> {
  const bin = mkdtempSync(join(temporary, "bin-"));
  const called = join(bin, "called");
  writeFileSync(join(bin, "npm"), `#!/bin/sh\necho "$@" >>${called}\n`, { mode: 0o755 });
  const { stdout } = await run(
    "node",
    [join(root, "npm/publish.mjs"), "--from", packed, ...flags],
    {
      env: { HOME: temporary, PATH: `${bin}:${process.env.PATH}`, ...env },
    },
  );
  const calls = readFileSync(called, "utf8").replaceAll(`${packed}/`, "").split("\n");
  return [...calls.slice(0, -1), stdout.trim().split("\n").at(-1) ?? ""];
}

const inOrder = [
  expect.stringMatching(/^publish akash-provider-web-bridge-[\w-]+-[\d.]+\.tgz /),
  expect.stringMatching(/^publish akash-provider-bridge-[\d.]+\.tgz /),
  expect.stringMatching(/^publish akash-provider-web-[\d.]+\.tgz /),
];
const github = { GITHUB_SERVER_URL: "https://github.com", GITHUB_REPOSITORY: "owner/name" };

test("publishing needs to know where the sources are", async () => {
  const REPOSITORY = "/no/server";
  await expect(publish([], { REPOSITORY })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("make publish REPOSITORY=https://HOST/OWNER/NAME"),
  });
  expect(await publish(["--dry-run"], { REPOSITORY })).toEqual([
    ...inOrder,
    "Nothing was published: it would be 3 packages, repository unknown, without provenance.",
  ]);
});

test("packages are published in the order of need, with provenance where a CI vouches", async () => {
  const url = "git+https://github.com/owner/name.git";
  const here = await publish([], { REPOSITORY: "git@github.com:owner/name.git" });
  expect(here).toEqual([
    ...inOrder,
    `Published 3 packages, repository ${url}, without provenance.`,
  ]);
  expect(here.join()).not.toMatch(/--provenance|--dry-run/);
  const inCI = await publish([], { ...github, ACTIONS_ID_TOKEN_REQUEST_URL: "https://token" });
  expect(inCI.at(-1)).toBe(`Published 3 packages, repository ${url}, with provenance.`);
  for (const call of inCI.slice(0, -1)) expect(call).toMatch(/ --provenance$/);
});

test("npm itself would take them", async () => {
  // A dry run needs no registry: here there is none.
  const away = { npm_config_registry: "http://127.0.0.1:9", npm_config_fetch_retries: "0" };
  const env = { ...process.env, ...away };
  const script = join(root, "npm/publish.mjs");
  const dry = await run("node", [script, "--dry-run", "--from", packed], { env });
  for (const name of ["akash-provider-web", "akash-provider-bridge"]) {
    expect(dry.stdout).toMatch(new RegExp(`^\\+ ${name}@[\\d.]+$`, "m"));
  }
});

test("provenance that would name another repository is not tried", async () => {
  const REPOSITORY = "https://github.com/someone/else";
  const env = { ...github, REPOSITORY, ACTIONS_ID_TOKEN_REQUEST_URL: "https://token" };
  await expect(publish([], env)).rejects.toMatchObject({
    stderr: expect.stringContaining(
      "someone/else.git, and their provenance git+https://github.com/owner/name.git",
    ),
  });
});

test("the package names its repository where that is known, and no password", async () => {
  const out = join(temporary, "named");
  const REPOSITORY = "https://user:password@git.example.org/owner/name";
  await run("node", [join(root, "npm/pack.mjs"), "--out", out], {
    env: { ...process.env, REPOSITORY },
  });
  const [tarball = ""] = readdirSync(out);
  const manifest = ["-xzOf", join(out, tarball), "package/package.json"];
  const named = JSON.parse(execFileSync("tar", manifest, { encoding: "utf8" }));
  const url = "git+https://git.example.org/owner/name.git";
  expect(named.repository).toEqual({ type: "git", url, directory: "npm" });
  const installed = join(user, "node_modules/akash-provider-web/package.json");
  expect(JSON.parse(readFileSync(installed, "utf8"))).not.toHaveProperty("repository");
});

test("npx runs the bridge, with its arguments", async () => {
  const { stdout } = await run("npx", ["--offline", "akash-provider-bridge", "--help"], {
    cwd: user,
  });
  expect(stdout).toContain("--allow-origin");
});

test("it ends as the bridge does", async () => {
  await expect(run(launch, ["--no-such-flag"])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("no-such-flag"),
  });
});

test.each(["SIGTERM", "SIGINT"] as const)("it serves until it gets %s", async (signal) => {
  const { program, url } = await start();
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  const ended = once(program, "exit");
  program.kill(signal);
  expect(await ended).toEqual([0, null]);
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
});

// Ctrl-C reaches all of npx's processes by itself.
test.runIf(process.platform !== "win32")("npx ends it on SIGTERM", async () => {
  const { program, url } = await start(["npx", "--offline", "akash-provider-bridge"], {
    cwd: user,
  });
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  program.kill("SIGTERM");
  await expect.poll(() => alive(url), { timeout: 10_000 }).toBe(false);
});

test.runIf(process.platform !== "win32")("npx ends as it does", async () => {
  await expect(
    run("npx", ["--offline", "akash-provider-bridge", "--no-such-flag"], { cwd: user }),
  ).rejects.toMatchObject({ code: 2 });
});

test.runIf(process.platform === "linux")("without npm it outlives its shell", async () => {
  const { program, url } = await start(["sh", "-c", '"$0" "$@"; exit $?', launch], {
    env: { PATH: process.env.PATH },
  });
  const launcher = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, "utf8");
  const ended = once(program, "exit");
  program.kill("SIGKILL");
  await ended;
  await new Promise((resolve) => setTimeout(resolve, 1000)); // five looks at its parent
  expect(await alive(url)).toBe(true);
  process.kill(Number(launcher), "SIGTERM");
  await expect.poll(() => alive(url), { timeout: 10_000 }).toBe(false);
});

test.runIf(process.platform === "linux")("it is killed with the bridge", async () => {
  const { program } = await start();
  const ended = once(program, "exit");
  const children = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, "utf8");
  process.kill(Number(children), "SIGKILL");
  expect(await ended).toEqual([null, "SIGKILL"]);
});

/** Runs the command as on another machine, and returns what it says before it fails. */
async function runOn(platform: string, arch: string): Promise<string> {
  const fake = `for (const [name, value] of Object.entries(${JSON.stringify({ platform, arch })})) Object.defineProperty(process, name, { value })`;
  const failure = await run("node", [
    "--import",
    `data:text/javascript,${encodeURIComponent(fake)}`,
    launch,
  ]).then(
    () => undefined,
    (error) => error,
  );
  expect(failure).toMatchObject({ code: 1, stdout: "" });
  return failure.stderr;
}

test("on an unknown platform it says how to build it", async () => {
  expect(await runOn("sunos", "sparc")).toMatch(/does not come for sunos-sparc.*`make build`/);
});

test("where the platform's package is not installed it says what brings it", async () => {
  const other = platform === "darwin-arm64" ? "darwin-x64" : "darwin-arm64";
  expect(await runOn(...(other.split("-") as [string, string]))).toMatch(
    new RegExp(`not installed.*npm install @akash-provider-web/bridge-${other}@`),
  );
});
