import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { findProgram } from "../../src/testing/programs.js";

/** A user's project. */
let project: string;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "akash-programs-"));
  vi.stubEnv("AKASH_TESTSERVER_BINARY", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(project, { recursive: true });
});

const name = "akash-provider-testserver";
const find = (directory?: string) => findProgram(name, directory, project);

/** Creates a program in the project. */
function program(path: string): string {
  const file = join(project, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "");
  chmodSync(file, 0o755);
  return file;
}

/** Installs the program's package, in the form of npm/programs. */
function install(index: string): void {
  const dir = join(project, "node_modules", name);
  mkdirSync(dir, { recursive: true });
  const exports = { ".": { default: "./index.js" } };
  writeFileSync(join(dir, "package.json"), JSON.stringify({ name, type: "module", exports }));
  writeFileSync(join(dir, "index.js"), index);
}

test("a program is found by the option, the environment, or in its package", async () => {
  const packed = program("packed/program");
  install(`export const programPath = () => ${JSON.stringify(packed)};`);
  expect(await find()).toBe(packed);
  const named = program("named");
  vi.stubEnv("AKASH_TESTSERVER_BINARY", named);
  expect(await find()).toBe(named);
  const built = program("bin/testserver");
  expect(await find(join(project, "bin"))).toBe(built);
});

test("a package's own error is passed on", async () => {
  install(`export function programPath() { throw new Error("not for this platform"); }`);
  await expect(find()).rejects.toThrow("not for this platform");
});

test("a missing program is an error that says how to get it", async () => {
  await expect(find(project)).rejects.toThrow(/no akash-provider-testserver in .*option bin/);
  vi.stubEnv("AKASH_TESTSERVER_BINARY", join(project, "absent"));
  await expect(find()).rejects.toThrow(/value of AKASH_TESTSERVER_BINARY/);
});
