// The list of the end-to-end tests that run in every browser.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { areas, leftOutFiles, leftOutTests, own } from "../browsers/suites.mjs";
import { reasons, section, withSection } from "../browsers/table.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const everywhere = Object.values(areas).flat();

test("every end-to-end test runs in every browser, or is left out for a reason", () => {
  const files = readdirSync(join(root, "npm/test/e2e"))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => name.replace(".test.ts", ""));
  const listed = [...everywhere, ...leftOutFiles.flatMap(({ files }) => files)];
  expect(listed.sort()).toEqual([...files, ...own].sort());
});

test("every test that is left out asks the list", () => {
  for (const [name, { file }] of Object.entries(leftOutTests)) {
    const folder = own.includes(file) ? "browsers" : "e2e";
    const code = readFileSync(join(root, "npm/test", folder, `${file}.test.ts`), "utf8");
    expect(code, name).toContain(`runs("${name}")`);
  }
});

test("the README has the reasons", () => {
  for (const why of reasons()) expect(readme).toContain(`\n- ${why}\n`);
});

test("the README's table has what passed, what did not, and what did not run", () => {
  const suite = (
    passed: number,
    failed: number,
    skipped: number,
    run = "2026-11-29T20:00:00Z",
  ) => ({
    ...{ passed, failed, skipped, run },
  });
  const results = {
    chromium: {
      version: "Chromium 3",
      suites: { status: suite(28, 0, 0, "2026-11-28T09:00:00Z") },
    },
    webkit: {
      version: "WebKit 1",
      suites: { status: suite(28, 0, 0), worker: suite(10, 0, 0) },
    },
    firefox: {
      version: "Firefox 2",
      suites: { status: suite(27, 1, 0), unread: suite(5, 0, 1, "2026-11-30T09:00:00Z") },
    },
  };
  const written = withSection(readme, section(results));
  expect(written).toContain("From 29 November 2026 to 30 November 2026, in several runs,");
  expect(written).toContain("|  | WebKit 1 | Firefox 2 |\n");
  expect(written).toMatch(/\| status: .* \| 28 \| 27 of 28 \|\n/);
  expect(written).toMatch(/\| unread logs: .* \| not run \| 5, 1 left out \|\n/);
  // A row whose files did not all run says so.
  const partly = section({ firefox: { version: "Firefox 2", suites: { lease: suite(90, 0, 0) } } });
  expect(partly).toMatch(/\| leases: .* \| 90, `leases`, `sdk-lease` not run \|\n/);
});
