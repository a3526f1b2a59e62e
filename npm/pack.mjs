// Packs the package, as it is published: with the field repository, where REPOSITORY
// says what that is.
//
//   node pack.mjs [--out DIRECTORY]
//
// dist/ must have been built.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gitUrl, repositoryField } from "./repository.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({
  options: { out: { type: "string", default: join(here, "../bin/npm") } },
});
const out = resolve(values.out);
if (!existsSync(join(here, "dist/index.js"))) {
  throw new Error("dist is not built: run `make build`, or `make npm-packages`");
}

mkdirSync(out, { recursive: true });
const work = mkdtempSync(join(tmpdir(), "akash-provider-web-pack-"));
try {
  const manifest = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  for (const name of [...manifest.files, "README.md", "LICENSE"]) {
    cpSync(join(here, name), join(work, name), { recursive: true });
  }
  const repository = repositoryField(gitUrl(process.env.REPOSITORY), "npm");
  writeFileSync(
    join(work, "package.json"),
    `${JSON.stringify({ ...manifest, repository }, null, 2)}\n`,
  );
  execFileSync("npm", ["pack", "--silent", "--pack-destination", out], {
    cwd: work,
    stdio: "inherit",
  });
} finally {
  rmSync(work, { recursive: true });
}
