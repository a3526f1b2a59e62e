import type { EngineCall } from "./engine.js";

/**
 * What a call is written as, in this order. wasm/client/options.go reads it so, and its
 * test compares the two.
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
  "names",
  "token",
  "certPem",
  "keyPem",
] as const satisfies readonly (keyof EngineCall)[];

/** The fields that a call has and the list does not: there must be none. */
type Unlisted = Exclude<keyof EngineCall, (typeof fields)[number] | "getToken">;

/**
 * flat writes a call as one text for the module, which costs far less than an object
 * that it reads: values with a NUL between them. What is absent is empty. No value has
 * a NUL that would be of use.
 */
export function flat(call: [Unlisted] extends [never] ? EngineCall : never): string {
  return fields
    .map((name) => call[name])
    .map((value) => (value === undefined || value === false ? "" : String(value)))
    .map((value) => (value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value))
    .join("\0");
}
