import type { EngineCall } from "./engine.js";

/**
 * The fields of a call in the order in which they are written. wasm/client/options.go
 * reads the same order, and its test compares the two.
 */
const fields = [
  "bridge",
  "provider",
  "transport",
  "timeout",
  "retries",
  "heartbeat",
  "reconnect",
  "insecure",
  "skipVersion",
  "owner",
  "dseq",
  "gseq",
  "oseq",
  "bseq",
  "leaseProvider",
  "service",
  "replicas",
  "follow",
  "tail",
  "restartTimeout",
  "manifest",
  "command",
  "tty",
  "stdin",
  "window",
  "names",
  "token",
  "certPem",
  "keyPem",
  "bridgeKey",
  "traceparent",
  "spent",
] as const satisfies readonly (keyof EngineCall)[];

/** The fields of a call that are missing in the list: there must be none. */
type Unlisted = Exclude<keyof EngineCall, (typeof fields)[number] | "getToken">;

/**
 * flat encodes a call as one string for the module, which costs much less than having
 * Go read an object: the values, separated by NUL. Absent values are empty. No valid
 * value contains a NUL.
 */
export function flat(call: [Unlisted] extends [never] ? EngineCall : never): string {
  return fields
    .map((name) => call[name])
    .map((value) => (value === undefined || value === false ? "" : String(value)))
    .map((value) => (value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value))
    .join("\0");
}
