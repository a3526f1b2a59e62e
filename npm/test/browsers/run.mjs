// Runs the end-to-end tests in Chromium, Firefox and WebKitGTK as Debian has them, one
// after the other, and prints how many passed in which version.
//
//   node test/browsers/run.mjs [BROWSER…]
//
// The environment variable ONLY names some of the test files: ONLY="logs ends". The results
// are in bin/browsers.json, where those of other files and browsers stay, and are printed
// as a table.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
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
const bin = join(npm, "../bin");
const file = join(bin, "browsers.json");
const results = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
for (const { browser, suites } of rows) results[browser] = { ...results[browser], ...suites };
mkdirSync(bin, { recursive: true });
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
console.log(`\n${table(results)}`);
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
  const { numPassedTests, numFailedTests, numPendingTests, success, testResults } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  const suites = {};
  for (const { name, assertionResults } of testResults) {
    const count = (status) => assertionResults.filter((one) => one.status === status).length;
    suites[basename(name, ".test.ts")] = { passed: count("passed"), failed: count("failed") };
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

/** How many tests of each file passed in each browser, as Markdown. */
function table(results) {
  const browsers = Object.keys(results);
  const suites = [...new Set(browsers.flatMap((browser) => Object.keys(results[browser])))].sort();
  const cell = (suite) => (browser) => {
    const { passed, failed } = results[browser][suite] ?? {};
    if (passed === undefined) return "not run";
    return failed > 0 ? `${passed} of ${passed + failed}` : `${passed}`;
  };
  const lines = [
    ["", ...browsers],
    ["---", ...browsers.map(() => "---")],
    ...suites.map((suite) => [suite, ...browsers.map(cell(suite))]),
  ];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}
