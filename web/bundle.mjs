// Bundles the dashboard's TypeScript and CSS from src/ into bundle/, from where web/build
// takes them. What is imported by import() becomes a file of its own in bundle/chunks/,
// and so does what several of these share. A chunk's name contains a hash of it and of
// all that it imports, so that a page never mixes chunks of two releases.

import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const out = path("bundle");

rmSync(out, { recursive: true, force: true });

const common = {
  absWorkingDir: path("."),
  chunkNames: "chunks/[name]-[hash]",
  outdir: out,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  metafile: true,
  logLevel: "warning",
};

// The worker that searches logs has a name with a hash as well, which the page must know.
const worker = await build({
  ...common,
  entryPoints: { "search-worker": "src/logs/search-worker.ts" },
  entryNames: "chunks/[name]-[hash]",
});
const [workerFile] = Object.keys(worker.metafile.outputs);

const { metafile } = await build({
  ...common,
  entryPoints: { app: "src/app/app.tsx", "app-style": "src/app/app.css" },
  entryNames: "[name]",
  splitting: true,
  jsx: "automatic",
  define: {
    "process.env.NODE_ENV": '"production"',
    SEARCH_WORKER: JSON.stringify(workerFile.replace(/^bundle/, "")),
  },
  // The package as its users import it. It and the page must have the same React.
  alias: {
    "akash-provider-web/react": path("../npm/dist/react/index.js"),
    "akash-provider-web": path("../npm/dist/index.js"),
    react: path("node_modules/react"),
  },
});

// The page loads app.js with its version in the address. A chunk that imports it without
// would load it a second time.
for (const [name, { imports }] of Object.entries(metafile.outputs)) {
  if (imports.some(({ path }) => path === "bundle/app.js"))
    throw new Error(`${name} imports app.js: move what it needs out of src/app/app.tsx`);
}
