// Builds a file of this directory with one version of React or another, as a user's bundler
// would.

import { basename, join } from "node:path";
import { build } from "esbuild";
import { root } from "./harness.js";

/** The versions of React that the tests run with, and where they are installed. */
export const reacts: [major: string, modules: string][] = [
  ["18", join(root, "npm/test/react-18/node_modules")],
  ["19", join(root, "npm/node_modules")],
];

/** Builds a file into a folder, and returns the path of the result. */
export async function bundle(
  entry: string,
  modules: string,
  folder: string,
  format: "iife" | "cjs" = "iife",
): Promise<string> {
  const outfile = join(folder, `${basename(entry, ".tsx")}.${format === "cjs" ? "cjs" : "js"}`);
  await build({
    entryPoints: [join(import.meta.dirname, entry)],
    outfile,
    bundle: true,
    format,
    platform: format === "cjs" ? "node" : "browser",
    jsx: "automatic",
    alias: { react: join(modules, "react"), "react-dom": join(modules, "react-dom") },
    define: { "process.env.NODE_ENV": '"development"' },
    logLevel: "warning",
  });
  return outfile;
}
