import type { EngineCall } from "./engine.js";

/**
 * flat writes a call as one text for the module, which costs far less than an object
 * that it reads: values with a NUL after each, in the order in which wasm/options.go
 * reads them. What is absent is empty. No value has a NUL that would be of use.
 */
export function flat(call: EngineCall): string {
  return [
    call.bridge,
    call.provider,
    call.transport,
    call.timeout,
    call.retries,
    call.heartbeat,
    call.reconnect,
    call.insecure,
    call.skipVersion,
    call.owner,
    call.dseq,
    call.gseq,
    call.oseq,
    call.bseq,
    call.leaseProvider,
    call.service,
    call.replicas?.join(),
    call.follow,
    call.tail,
    call.restartTimeout,
    call.manifest,
    call.token,
    call.certPem,
    call.keyPem,
  ]
    .map((value) => (value === undefined || value === false ? "" : String(value)))
    .map((value) => (value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value))
    .join("\0");
}
