// Checks the package as users get it, packed: that its package.json says what is in
// it, that its types are found however they are looked for, and that every TypeScript
// from 5.0 on takes them.
//
//   node test/package/check.mjs

import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const tools = join(here, "node_modules");

const dir = mkdtempSync(join(tmpdir(), "akash-provider-web-package-"));
try {
  const [{ filename }] = JSON.parse(
    run("npm", "pack", "--json", "--pack-destination", dir, join(here, "../..")),
  );
  const tarball = join(dir, filename);
  run(join(tools, ".bin/publint"), "--strict", tarball);
  // The package is ESM only: what looks for CommonJS finds none.
  const attw = ["--profile", "esm-only"];
  run(join(tools, ".bin/attw"), tarball, ...attw);

  const installed = join(dir, "node_modules/akash-provider-web");
  mkdirSync(installed, { recursive: true });
  run("tar", "-xzf", tarball, "-C", installed, "--strip-components=1");
  writeFileSync(join(dir, "package.json"), '{ "type": "module" }');
  for (const name of ["consumer.ts", "extras.ts", "chain-sdk.ts"])
    cpSync(join(here, name), join(dir, name));
  const compilers = readdirSync(tools).filter((name) => name.startsWith("typescript-"));
  for (const name of compilers) check(name, "nodenext", "nodenext");
  // What runs in Node or with React has their types, from the package's own tools.
  for (const name of ["@types", "undici-types", "csstype", "@akashnetwork", "@connectrpc"]) {
    symlinkSync(join(here, "../../node_modules", name), join(dir, "node_modules", name));
  }
  // The SDK's own types are not for all of them.
  const sdk = ["chain-sdk.ts", ["node"], { skipLibCheck: true }];
  for (const name of [compilers[0], compilers.at(-1)]) {
    check(name, "esnext", "bundler");
    check(name, "nodenext", "nodenext", "extras.ts", ["node"]);
    check(name, "nodenext", "nodenext", ...sdk);
  }
  check(compilers.at(-1), "esnext", "bundler", ...sdk);
} finally {
  rmSync(dir, { recursive: true });
}

/** Has a version of TypeScript check the user's program, and all declarations with it. */
function check(name, module, moduleResolution, file = "consumer.ts", types = [], more = {}) {
  const compilerOptions = {
    target: "es2022",
    lib: ["es2022", "dom", "dom.iterable"],
    module,
    moduleResolution,
    types,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    ...more,
  };
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [file] }));
  run(process.execPath, join(tools, name, "bin/tsc"), "-p", dir);
}

/** Runs a program, whose output is shown only if it fails. */
function run(file, ...args) {
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${file} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}
