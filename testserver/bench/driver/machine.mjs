import { readFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { peerVersions, sh } from "./tools.mjs";

/** Describes the machine. */
export function machine() {
  const version = (command, ...args) =>
    sh(command, args, { stdio: ["ignore", "pipe", "ignore"] }).trim();
  const { model } = cpus()[0];
  const chromium = version(process.env.CHROMIUM ?? "/usr/bin/chromium", "--version");
  const kernel = readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
  return [
    `${cpus().length} cores (${model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${kernel}`,
    version("go", "env", "GOVERSION").replace("go", "Go "),
    `Node ${process.versions.node}`,
    chromium.replace(/ built on.*/, ""),
  ].join("; ");
}

/** Describes the peers. */
export const peers = () =>
  Object.entries(peerVersions())
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");

/** Describes the machine's load over the last minute. */
export const load = () => `load average ${loadavg()[0].toFixed(1)}`;
