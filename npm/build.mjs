// Builds dist/ around dist/akash-provider-web.wasm, which `make build` or
// `npm run build` makes first: ES modules with their types, a script for script
// tags, and the hashes of what a page may load from another host.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { esbuildPlugin } from "./wasm-exec.mjs";

const wasm = "akash-provider-web.wasm";
const script = "akash-provider-web.js";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
if (!existsSync(`dist/${wasm}`)) {
  throw new Error(`dist/${wasm} is missing: run \`make build\`, or \`npm run build\``);
}

// What an earlier build made may not exist any more.
for (const name of readdirSync("dist"))
  if (name !== wasm) rmSync(`dist/${name}`, { recursive: true });
copyFileSync("../LICENSE", "LICENSE"); // which npm looks for beside package.json

/** The value of an integrity attribute that admits a file of dist/ (Subresource Integrity). */
function integrity(name) {
  return `sha384-${createHash("sha384")
    .update(readFileSync(`dist/${name}`))
    .digest("base64")}`;
}

const shared = {
  bundle: true,
  target: "es2022",
  charset: "utf8",
  sourcemap: true,
  logLevel: "warning",
  define: { MODULE_SIZE: `${statSync(`dist/${wasm}`).size}` },
  plugins: [esbuildPlugin],
};

/** The entries that are modules, one for each thing that package.json exports. */
const modules = {
  index: {},
  node: { platform: "node" },
  // Bundlers copy it as it is, so it comes minified. It exports nothing, which would leave
  // open that it is a module.
  worker: { footer: { js: "export {};" }, minify: true },
  // Server components of Next.js may hold what its hooks are in, and not call them.
  "react/index": { external: ["react"], banner: { js: '"use client";' } },
  "chain-sdk/index": { external: ["@akashnetwork/chain-sdk"] },
  "testing/index": { platform: "node" },
};

await Promise.all([
  ...Object.entries(modules).map(([name, options]) =>
    build({
      ...shared,
      ...options,
      entryPoints: [`src/${name}.ts`],
      format: "esm",
      outfile: `dist/${name}.js`,
    }),
  ),
  build({
    ...shared,
    entryPoints: ["src/script.ts"],
    format: "iife",
    globalName: "AkashProvider",
    define: { ...shared.define, MODULE_INTEGRITY: JSON.stringify(integrity(wasm)) },
    outfile: `dist/${script}`,
  }),
]);
for (const project of ["tsconfig.build.json", "tsconfig.testing.json"]) {
  execFileSync("node_modules/.bin/tsc", ["-p", project], { stdio: "inherit" });
}
// What imports of these give.
writeFileSync(
  `dist/${wasm}.d.ts`,
  `/** The URL of the module, where a bundler loads it as a file. */
declare const url: string;
export default url;
`,
);
writeFileSync(
  "dist/worker.d.ts",
  `// The script of a worker. It is there for its URL, and exports nothing.
export {};
`,
);

const hashes = Object.fromEntries([script, wasm].map((name) => [name, integrity(name)]));
writeFileSync("dist/sri.json", `${JSON.stringify(hashes, null, 2)}\n`);
for (const [name, hash] of Object.entries(hashes)) console.log(`${name} ${hash}`);
