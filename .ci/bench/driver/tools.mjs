// Installs and builds what is measured. Everything lands in .tools, under its
// version where it has one, or in this folder's dist.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = fileURLToPath(new URL("..", import.meta.url));
export const root = join(here, "../..");
export const dist = join(here, "dist");

const grpcwebproxy = {
  version: "v0.15.0",
  path: "github.com/improbable-eng/grpc-web/go/grpcwebproxy",
};

/** Paths of the programs that are measured or that measure. */
export const programs = {
  bridge: join(root, "bin/akash-provider-bridge"),
  testserver: join(root, "bin/testserver"),
  grpcwebproxy: join(root, `.tools/grpcwebproxy@${grpcwebproxy.version}/grpcwebproxy`),
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
    grpcwebproxy: grpcwebproxy.version,
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

/** Installs the peers that come ready made. */
export function install() {
  if (!existsSync(programs.grpcwebproxy)) {
    sh("go", ["install", "-trimpath", `${grpcwebproxy.path}@${grpcwebproxy.version}`], {
      env: { ...process.env, GOBIN: join(programs.grpcwebproxy, "..") },
    });
  }
  const written = (path) => statSync(join(here, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (written("node_modules/.package-lock.json") < written("package-lock.json")) {
    sh("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  }
}

/** Builds the programs and the pages. */
export function build() {
  mkdirSync(dist, { recursive: true });
  // go.mod follows the product's, whose requirements are also its own.
  sh("go", ["build", "-mod=mod", "-trimpath", "-o", programs.load, "./load"]);
  sh("go", ["build", "-mod=mod", "-trimpath", "-o", programs.vanguard, "./vanguard"]);
  sh("go", ["test", "-c", "-trimpath", "-o", programs.rest, "./bridge/rest"], { cwd: root });

  npx("buf", "generate", "../../proto", "--template", "buf.gen.yaml");
  npx("tsc", "--noEmit");
  bundle(dist, "main", "cold-akash", "cold-connect", "--minify");
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
