// The packed package in a small project of each kind, installed and built as its user
// would, and then run against a real bridge.
//
// BUNDLERS="esbuild node" runs these only.

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { transform } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestProvider, type TestProvider } from "../../src/testing/index.js";
import { launch, root } from "../e2e/harness.js";
import { Project, pack } from "./project.js";
import { Site } from "./site.js";

/** The projects, and the package whose version the table tells. */
const all: Record<string, string> = {
  vite: "vite",
  webpack: "webpack",
  rollup: "rollup",
  esbuild: "esbuild",
  parcel: "parcel",
  next: "next",
  module: "",
  script: "",
  node: "",
};
const names = process.env.BUNDLERS?.split(" ") ?? Object.keys(all);

let browser: Browser;
let akash: TestProvider;
let tarball: string;
let leases: string;
/** What the page shows of the log, by replica. */
const log = new Map<string, string>();
const table = new Map<string, Record<string, string>>();

beforeAll(async () => {
  [browser, akash, tarball] = await Promise.all([
    launch(),
    startTestProvider({ logLines: 500 }),
    pack(),
  ]);
  leases = `${(await akash.status()).cluster.leases.active} leases`;
  for (const replica of await akash.logs()) {
    log.set(`${replica.service}/${replica.replica}`, await akash.log(replica));
  }
});

afterAll(async () => {
  await browser?.close();
  await akash?.close();
  const columns = ["version", "builds", "status", "logs", "worker", "worker's file", "first page"];
  const rows = [
    ["", ...columns],
    ["---", ...columns.map(() => "---")],
  ];
  for (const [name, results] of table) {
    rows.push([name, ...columns.map((column) => results[column] ?? "failed")]);
  }
  console.log(`\n${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}\n`);
});

/** Checks that text tells what each replica has written, line by line. */
function expectLog(text: string): void {
  const shown = new Map([...log.keys()].map((replica) => [replica, ""]));
  for (const line of text.split("\n").slice(0, -1)) {
    const colon = line.indexOf(": ");
    const replica = line.slice(0, colon);
    shown.set(replica, `${shown.get(replica)}${line.slice(colon + 2)}\n`);
  }
  for (const [replica, text] of shown) expect(text === log.get(replica), replica).toBe(true);
}

/** Returns the size of the worker's script among the files that a bundler wrote. */
function workerFile(directory: string): string {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  // Webpack names what it copies by hashes alone.
  const sizes = names
    .filter((name) => /\bworker\b.*\.js$|^[0-9a-f]{20}\.js$/.test(name))
    .map((name) => statSync(join(directory, name)).size);
  return sizes.map((size) => `${(size / 1000).toFixed(1)} KB`).join(" and ") || "none";
}

/** Makes the documented React component a page of a project of Next.js. */
async function pasteComponent(project: Project): Promise<void> {
  const page = readFileSync(join(root, "npm/docs/react.md"), "utf8");
  const [, component = ""] = /```tsx\n(.*?)```/s.exec(page) ?? [];
  // Without its types, since the project is one without TypeScript.
  const { code } = await transform(component, { loader: "tsx", jsx: "preserve", charset: "utf8" });
  const named = code
    .replaceAll('owner: "akash1…"', 'owner: "akash1tenant…"')
    .replaceAll('"akash1…"', '"akash1provider…"');
  mkdirSync(join(project.dir, "app/readme"), { recursive: true });
  writeFileSync(join(project.dir, "app/readme/page.jsx"), named);
}

describe.each(names)("%s", (name) => {
  const project = new Project(name);
  const results: Record<string, string> = {};
  let directory: string;

  beforeAll(() => {
    table.set(name, results);
  });

  test("builds", async () => {
    await project.install(tarball);
    const installed = join(project.dir, "node_modules/akash-provider-web/dist");
    const { owner, dseq } = akash.lease;
    if (name === "next") await pasteComponent(project);
    const hashes = JSON.parse(readFileSync(join(installed, "sri.json"), "utf8"));
    project.fill({
      "http://127.0.0.1:8080": akash.bridgeUrl,
      "akash1provider…": akash.provider,
      "akash1tenant…": owner,
      "1234567": `${dseq}`,
      "eyJ…": akash.auth.jwt.token,
      "sha384-…": hashes["akash-provider-web.js"],
    });
    directory = await project.build();
    results.builds = project.scripts.build ? "ok" : "–";
    results["worker's file"] = project.scripts.build ? workerFile(project.output) : "–";
    results.version = project.version(all[name] ?? "") || (name === "node" ? process.version : "–");
  });

  if (name === "node") {
    test("runs", async () => {
      const run = promisify(execFile);
      const first = await run(process.execPath, ["first.js"], { cwd: directory });
      expect(first).toEqual({ stdout: `${leases}\n`, stderr: "" });
      results.status = "ok";
      const logs = await run(process.execPath, ["logs.js"], { cwd: directory });
      expectLog(logs.stdout);
      results.logs = "ok";
      results.worker = "–";
    });
  } else {
    test("runs", async () => {
      const site = project.scripts.start
        ? await project.serve()
        : // A script whose hash is given runs as a worker once that was checked.
          await Site.open(directory, akash.bridgeUrl, name === "script" ? "blob:" : "'self'");
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) errors.push(message.text());
      });
      try {
        await page.goto(site.url);
        await expect
          .poll(() => page.locator("#first").innerText(), { timeout: 20_000 })
          .toBe(leases);
        results.status = "ok";
        await page.locator("#logs[data-over]").waitFor({ timeout: 20_000 });
        expectLog((await page.locator("#logs").textContent()) ?? "");
        results.logs = "ok";
        await expect
          .poll(() => page.locator("#worker").innerText(), { timeout: 20_000 })
          .toBe(leases);
        results.worker = "ok";
        if (name === "next") {
          await page.goto(`${site.url}server`);
          expect(await page.locator("#first").innerText()).toBe(leases);
          await page.goto(`${site.url}readme`);
          await page.getByText(`${leases}, log open`).waitFor();
        }
      } finally {
        expect.soft(errors).toEqual([]);
        await page.close();
        await site.close();
      }
    });
  }

  test("a stranger's first page takes at most five lines", ({ skip }) => {
    results["first page"] = "–";
    skip(name === "next", "a component of React's has more around it");
    results["first page"] = "too long";
    const first = project.source("first.js");
    const lines = first?.split("\n").filter((line) => line.trim() !== "") ?? [];
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(5);
    results["first page"] = `${lines.length} lines`;
  });
});
