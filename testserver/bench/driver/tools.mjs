// Builds the programs and pages into this directory's dist. The Makefile installs
// prebuilt peers.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = fileURLToPath(new URL("..", import.meta.url));
export const root = join(here, "../..");
export const dist = join(here, "dist");

/** Paths of the measured and the measuring programs. */
export const programs = {
  bridge: join(root, "bin/akash-provider-bridge"),
  testserver: join(root, "bin/testserver"),
  grpcwebproxy: process.env.GRPCWEBPROXY ?? "", // the Makefile installs it
  vanguard: join(dist, "vanguard"),
  load: join(dist, "load"),
  rest: join(dist, "rest.test"),
};

/** The versions of the peers. */
export function peerVersions() {
  const { devDependencies } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  const [, vanguard] = readFileSync(join(here, "go.mod"), "utf8").match(/vanguard (v\S+)/);
  return {
    "connect-web": devDependencies["@connectrpc/connect-web"],
    "grpc-web": devDependencies["grpc-web"],
    grpcwebproxy: programs.grpcwebproxy.match(/@([^/]+)/)?.[1] ?? "missing",
    vanguard,
  };
}

export function sh(command, args, options) {
  return execFileSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    cwd: here,
    ...options,
  });
}

const npx = (name, ...args) => sh(join(here, "node_modules/.bin", name), args);

/** Builds the programs and the pages. */
export function build() {
  mkdirSync(dist, { recursive: true });
  // go.mod must match the product's requirements.
  sh("go", ["build", "-mod=mod", "-trimpath", "-o", programs.load, "./load"]);
  sh("go", ["build", "-mod=mod", "-trimpath", "-o", programs.vanguard, "./vanguard"]);
  sh("go", ["test", "-c", "-trimpath", "-o", programs.rest, "./bridge/rest"], { cwd: root });

  npx("buf", "generate", "../../proto", "--template", "buf.gen.yaml");
  npx("tsc", "--noEmit");
  bundle(dist, "main", "cold-akash", "cold-connect", "cold-empty", "--minify");
}

/** Bundles pages into a directory. */
export function bundle(directory, ...pages) {
  const flags = pages.filter((name) => name.startsWith("-"));
  const names = pages.filter((name) => !name.startsWith("-"));
  npx(
    "esbuild",
    ...names.map((name) => `page/${name}.ts`),
    ...flags,
    "--bundle",
    "--format=esm",
    "--target=es2022",
    `--outdir=${directory}`,
    "--log-level=warning",
  );
}
