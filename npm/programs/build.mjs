// Builds the programs for every platform and packs them for npm: for each program one
// package for each platform, and one that depends on all of these, of which npm
// installs the right one, and starts it. The same sources and the same Go give the
// same bytes.
//
//   node programs/build.mjs [--out DIRECTORY] [--platform linux-x64]... [--program NAME]...
//
// The web files that the bridge embeds must have been built.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gitUrl, repositoryField } from "../repository.mjs";
import { platforms, programs, scope } from "./programs.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
const { version, license, engines, publishConfig } = read(join(root, "npm/package.json"));
const repository = repositoryField(gitUrl(process.env.REPOSITORY));

const { values } = parseArgs({
  options: {
    out: { type: "string", default: join(root, "bin/npm") },
    platform: { type: "string", multiple: true, default: Object.keys(platforms) },
    program: { type: "string", multiple: true, default: Object.keys(programs) },
  },
});
const out = resolve(values.out);
if (!existsSync(join(root, "web/dist/index.html"))) {
  throw new Error("web/dist is not built: run `make build`, or `make npm-packages`");
}
for (const [given, known] of [
  [values.platform, platforms],
  [values.program, programs],
]) {
  const wrong = given.find((name) => !(name in known));
  if (wrong) throw new Error(`${wrong} is none of ${Object.keys(known).join(", ")}`);
}

mkdirSync(out, { recursive: true });
const work = mkdtempSync(join(tmpdir(), "akash-provider-web-programs-"));
try {
  for (const name of values.program) {
    for (const platform of values.platform) pack(platformPackage(name, platform));
    pack(launcherPackage(name));
  }
} finally {
  rmSync(work, { recursive: true });
}
const sums = readdirSync(out).filter((name) => name.endsWith(".tgz"));
writeFileSync(
  join(out, "SHA256SUMS"),
  sums
    .map((name) => [createHash("sha256").update(readFileSync(join(out, name))), name])
    .map(([hash, name]) => `${hash.digest("hex")}  ${name}\n`)
    .join(""),
);

/** Makes the package of a program for one platform, and returns its directory. */
function platformPackage(name, platform) {
  const { prefix, source, description } = programs[name];
  const [os, cpu] = platform.split("-");
  const file = os === "win32" ? `${name}.exe` : name;
  const dir = lay(`${scope}/${prefix}-${platform}`, {
    description: `${description}, for ${platform}. Install ${name} instead.`,
    os: [os],
    cpu: [cpu],
    files: ["bin"],
    preferUnplugged: true, // Yarn: a program must be a file
  });
  const flags = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid="];
  execFileSync("go", ["build", ...flags, "-o", join(dir, "bin", file), source], {
    cwd: root,
    stdio: "inherit",
    // As in the Makefile. What this machine is like must not matter.
    env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly", ...platforms[platform] },
  });
  return dir;
}

/** Makes the package that has the program's name, and returns its directory. */
function launcherPackage(name) {
  const { prefix, description } = programs[name];
  const names = Object.keys(platforms).map((platform) => `${scope}/${prefix}-${platform}`);
  const dir = lay(name, {
    description,
    type: "module",
    bin: { [name]: "bin/launch.js" },
    exports: { ".": { types: "./index.d.ts", default: "./index.js" } },
    files: ["bin", "index.js", "index.d.ts"],
    engines,
    optionalDependencies: Object.fromEntries(names.map((name) => [name, version])),
  });
  cpSync(join(here, "launcher"), dir, { recursive: true });
  return dir;
}

/** Lays out a package that has what all have. */
function lay(name, fields) {
  const dir = join(work, name);
  mkdirSync(dir, { recursive: true });
  const description = { name, version, license, ...fields, repository, publishConfig };
  writeFileSync(join(dir, "package.json"), `${JSON.stringify(description, null, 2)}\n`);
  writeFileSync(join(dir, "README.md"), `# ${name}\n\n${fields.description}\n`);
  cpSync(join(root, "LICENSE"), join(dir, "LICENSE"));
  return dir;
}

function pack(dir) {
  const args = ["pack", "--json", "--pack-destination", out];
  const [{ filename, size }] = JSON.parse(
    execFileSync("npm", args, { cwd: dir, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }),
  );
  console.log(`${filename} ${(size / 1e6).toFixed(1)} MB`);
}

function read(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}
