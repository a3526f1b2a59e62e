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
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { launchOptions } from "../../../testserver/chromium.mjs";
import { launch, names } from "./drivers.mjs";
import { areas } from "./suites.mjs";
import { readResults, resultsFile, table } from "./table.mjs";

const npm = fileURLToPath(new URL("../..", import.meta.url));
const all = ["chromium", ...names];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all;
const only = process.env.ONLY?.split(" ").filter(Boolean) ?? [];
const files = only.length > 0 ? only : Object.values(areas).flat();
const folder = mkdtempSync(join(tmpdir(), "akash-browsers-"));
const began = new Date().toISOString();

const lines = [];
let failed = false;
try {
  for (const name of chosen) {
    const version = await versionOf(name);
    console.log(`\n${version}`);
    const start = performance.now();
    const total = { passed: 0, failed: 0, skipped: 0 };
    for (const file of files) {
      const suite = await run(name, file);
      keep(name, version, file, suite);
      for (const what of Object.keys(total)) total[what] += suite[what];
    }
    const seconds = Math.round((performance.now() - start) / 1000);
    lines.push(
      `${version}: ${total.passed} passed, ${total.failed} failed, ${total.skipped} left out (${seconds} s)`,
    );
    if (total.failed > 0 || total.passed === 0) failed = true;
  }
} finally {
  rmSync(folder, { recursive: true });
}

console.log(`\n${lines.join("\n")}\n\n${table(readResults())}`);
process.exitCode = failed ? 1 : 0;

async function versionOf(name) {
  const browser = name === "chromium" ? await chromium.launch(launchOptions()) : await launch(name);
  const version = browser.version();
  await browser.close();
  return name === "chromium" ? `Chromium ${version}` : version;
}

/** Adds the result of a file to those of its browser, unless these are of another version. */
function keep(name, version, file, suite) {
  const results = readResults();
  const before = results[name]?.version === version ? results[name].suites : {};
  results[name] = { version, suites: { ...before, [file]: suite } };
  const sorted = Object.fromEntries(all.flatMap((n) => (results[n] ? [[n, results[n]]] : [])));
  mkdirSync(dirname(resultsFile), { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(sorted, null, 2)}\n`);
}

/** Runs the tests of a file in a browser, and counts them. */
async function run(name, file) {
  const report = join(folder, `${name}-${file}.json`);
  const args = ["vitest", "run", "--config", "test/browsers/vitest.config.ts"];
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const vitest = spawn("npx", [...args, ...reporters], {
    cwd: npm,
    env: { ...process.env, BROWSER: name, ONLY: file, SLOW: "1" },
    stdio: "inherit",
  });
  const status = await new Promise((exited) => vitest.on("close", exited));
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  return {
    passed: numPassedTests,
    // A file that fails outside its tests has no failed test.
    failed: Math.max(numFailedTests, status === 0 ? 0 : 1),
    skipped: numPendingTests,
    run: began,
  };
}
