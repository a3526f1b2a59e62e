// Packs the package and those of the programs, and publishes them to npm's registry.
//
//   node publish.mjs [--dry-run] [--from DIRECTORY]
//
// With --dry-run npm says what it would publish, and publishes nothing. With --from what
// is published are the tarballs of a directory.
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ciRepository, findRepository } from "./repository.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { env } = process;
const { values } = parseArgs({
  options: { "dry-run": { type: "boolean", default: false }, from: { type: "string" } },
});
const dryRun = values["dry-run"];

const repository = findRepository(env, root);
if (!repository) {
  const how =
    "where the sources are is not known: make publish REPOSITORY=https://HOST/OWNER/NAME, or give the checkout a remote named origin";
  if (!dryRun) fail(how);
  console.log(`A dry run. It would fail without one, for ${how}.`);
}

// Provenance is a CI's word for what was built of which repository. The registry refuses
// it where the package names another.
const provenance = Boolean(env.ACTIONS_ID_TOKEN_REQUEST_URL || env.SIGSTORE_ID_TOKEN);
const built = ciRepository(env);
if (provenance && built && built !== repository) {
  fail(
    `the packages would name ${repository}, and their provenance ${built}: leave out REPOSITORY`,
  );
}

const from = resolve(values.from ?? join(root, "bin/npm"));
if (!values.from) {
  rmSync(from, { recursive: true, force: true });
  // The flags and variables of a make that runs this are not for the one that packs.
  const { MAKEFLAGS, MFLAGS, MAKELEVEL, MAKEOVERRIDES, ...rest } = env;
  execFileSync("make", ["-C", root, "npm-packages"], {
    stdio: "inherit",
    env: { ...rest, REPOSITORY: repository ?? "" },
  });
}

// What others depend on goes first: a program for a platform, what starts it, the client.
const rank = (name) =>
  [/^akash-provider-web-\D/, /^akash-provider-(?!web-)/, /./].findIndex((r) => r.test(name));
const tarballs = readdirSync(from)
  .filter((name) => name.endsWith(".tgz"))
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
if (tarballs.length === 0) fail(`there are no packages in ${from}`);
for (const name of tarballs) {
  const flags = ["--access", "public"];
  if (provenance) flags.push("--provenance");
  if (dryRun) flags.push("--dry-run");
  execFileSync("npm", ["publish", join(from, name), ...flags], { stdio: "inherit" });
}
const many = `${tarballs.length} packages, repository ${repository ?? "unknown"}, ${provenance ? "with" : "without"} provenance`;
console.log(dryRun ? `Nothing was published: it would be ${many}.` : `Published ${many}.`);

function fail(why) {
  console.error(`cannot publish: ${why}`);
  process.exit(1);
}
