// Runs the end-to-end tests in Chromium, Firefox and WebKitGTK as Debian has them, one
// after the other, and prints how many passed in which version.
//
//   node test/browsers/run.mjs [BROWSER…]
//
// The environment variable ONLY names some of the test files: ONLY="logs ends". A run of
// everything writes bin/browsers.json.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { launchOptions } from "../../../testserver/chromium.mjs";
import { launch, names } from "./drivers.mjs";

const npm = fileURLToPath(new URL("../..", import.meta.url));
const all = ["chromium", ...names];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all;
const folder = mkdtempSync(join(tmpdir(), "akash-browsers-"));

const rows = [];
try {
  for (const name of chosen) {
    const version = await versionOf(name);
    console.log(`\n${version}`);
    rows.push({ browser: version, ...(await run(name)) });
  }
} finally {
  rmSync(folder, { recursive: true });
}

console.log();
for (const { browser, passed, failed, skipped, seconds } of rows) {
  console.log(
    `${browser}: ${passed} passed, ${failed} failed, ${skipped} need another browser (${seconds} s)`,
  );
}
if (chosen.length === all.length && !process.env.ONLY) {
  const bin = join(npm, "../bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "browsers.json"), `${JSON.stringify(rows, null, 2)}\n`);
}
process.exitCode = rows.some(({ passed, failed }) => failed > 0 || passed === 0) ? 1 : 0;

async function versionOf(name) {
  const browser = name === "chromium" ? await chromium.launch(launchOptions()) : await launch(name);
  const version = browser.version();
  await browser.close();
  return name === "chromium" ? `Chromium ${version}` : version;
}

/** Runs the tests in a browser, and counts them. */
async function run(name) {
  const report = join(folder, `${name}.json`);
  const start = performance.now();
  const args = ["vitest", "run", "--config", "test/browsers/vitest.config.ts"];
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const vitest = spawn("npx", [...args, ...reporters], {
    cwd: npm,
    env: { ...process.env, BROWSER: name },
    stdio: "inherit",
  });
  const status = await new Promise((exited) => vitest.on("close", exited));
  const { numPassedTests, numFailedTests, numPendingTests, success } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  return {
    passed: numPassedTests,
    // A file that fails before its tests has no failed test.
    failed: Math.max(numFailedTests, status === 0 && success ? 0 : 1),
    skipped: numPendingTests,
    seconds: Math.round((performance.now() - start) / 1000),
  };
}
