// Runs the end-to-end tests in Chromium, Firefox and WebKitGTK as Debian has them, one
// after the other, and prints how many passed in which version.
//
//   node test/browsers/run.mjs [BROWSER…]
//
// The environment variable ONLY names some of the test files: ONLY="logs ends". The results
// are in bin/browsers.json, where those of other files and browsers stay as long as the
// browser's version does, and are printed as a table. table.mjs writes it into the README.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { launchOptions } from "../../../testserver/chromium.mjs";
import { launch, names } from "./drivers.mjs";
import { readResults, resultsFile, table } from "./table.mjs";

const npm = fileURLToPath(new URL("../..", import.meta.url));
const all = ["chromium", ...names];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all;
const folder = mkdtempSync(join(tmpdir(), "akash-browsers-"));
const began = new Date().toISOString();

const rows = [];
try {
  for (const name of chosen) {
    const version = await versionOf(name);
    console.log(`\n${version}`);
    const row = { name, version, ...(await run(name)) };
    rows.push(row);
    keep(row);
  }
} finally {
  rmSync(folder, { recursive: true });
}

console.log();
for (const { version, passed, failed, skipped, seconds } of rows) {
  console.log(`${version}: ${passed} passed, ${failed} failed, ${skipped} left out (${seconds} s)`);
}
console.log(`\n${table(readResults())}`);
process.exitCode = rows.some(({ passed, failed }) => failed > 0 || passed === 0) ? 1 : 0;

async function versionOf(name) {
  const browser = name === "chromium" ? await chromium.launch(launchOptions()) : await launch(name);
  const version = browser.version();
  await browser.close();
  return name === "chromium" ? `Chromium ${version}` : version;
}

/** Adds the results of a browser to the file. */
function keep({ name, version, suites }) {
  const results = readResults();
  const before = results[name]?.version === version ? results[name].suites : {};
  results[name] = { version, suites: { ...before, ...suites } };
  const sorted = Object.fromEntries(all.flatMap((n) => (results[n] ? [[n, results[n]]] : [])));
  mkdirSync(dirname(resultsFile), { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(sorted, null, 2)}\n`);
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
  const { numPassedTests, numFailedTests, numPendingTests, success, testResults } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  const suites = {};
  for (const { name, status, assertionResults } of testResults) {
    const count = (status) => assertionResults.filter((one) => one.status === status).length;
    const passed = count("passed");
    // A file that fails before its tests has no failed test.
    const failed = Math.max(count("failed"), status === "failed" ? 1 : 0);
    const skipped = assertionResults.length - passed - count("failed");
    suites[basename(name, ".test.ts")] = { passed, failed, skipped, run: began };
  }
  return {
    passed: numPassedTests,
    // A file that fails before its tests has no failed test.
    failed: Math.max(numFailedTests, status === 0 && success ? 0 : 1),
    skipped: numPendingTests,
    seconds: Math.round((performance.now() - start) / 1000),
    suites,
  };
}
