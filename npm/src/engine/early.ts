// A call that is made while the module still loads leaves at once: JavaScript sends the
// request that the module would send, and the module takes over the response when it runs.
// Everything else, such as retries, is the module's work as always.
//
// Only calls that anyone may make leave early: those without side effects and without
// credentials for the provider, which the module checks before it sends them. For other
// calls the bridge is asked to connect to the provider meanwhile.

import { type ModuleRequest, type SentRequest, sendRequest } from "../transport/request.js";
import { send } from "../transport/transport.js";
import type { CallMethod, EngineCall, StreamMethod } from "./engine.js";

/** The methods that may leave early. Their requests are empty messages. */
const paths: Partial<Record<CallMethod | StreamMethod, string>> = {
  getProviderStatus: "/akash.provider.v1.ProviderRPC/GetStatus",
  streamProviderStatus: "/akash.provider.v1.ProviderRPC/StreamStatus",
};

/** The frame of an empty message. */
const emptyFrame = 5;

/** How much of a response is read, as in wasm/browser/fetch.go: a message and trailers. */
const limit = 2 * (emptyFrame + 4 * 1024 * 1024);

/**
 * earlyRequest returns the request that the module will send for a call; undefined if the
 * call has to wait. wasm/client/method.go is what it must agree with.
 */
export function earlyRequest(
  method: CallMethod | StreamMethod,
  call: EngineCall,
): ModuleRequest | undefined {
  const path = paths[method];
  const { token, getToken, certPem, keyPem } = call;
  if (!path || token || getToken || certPem || keyPem) return undefined;
  const streams = method === "streamProviderStatus";
  const headers: [name: string, value: string | false | undefined][] = [
    ["content-type", "application/grpc-web+proto"],
    ["x-grpc-web", "1"],
    ["akash-provider", call.provider],
    ["grpc-timeout", !streams && call.timeout > 0 && timeout(Math.trunc(call.timeout))],
    ["akash-bridge-key", call.bridgeKey],
    ["traceparent", call.traceparent],
    ["akash-tls", call.insecure && "insecure"],
    ["akash-check-version", call.skipVersion && "false"],
    ["akash-heartbeat", streams && call.heartbeat > 0 && seconds(Math.trunc(call.heartbeat))],
  ];
  const given = headers.filter(([, value]) => value);
  // The module refuses the others.
  if (!given.every(([, value]) => /^[ -~]*$/.test(value as string))) return undefined;
  return {
    url: call.bridge + path,
    headers: given.map(([name, value]) => `${name}:${value}\n`).join(""),
    body: new Uint8Array(emptyFrame),
    transport: call.transport,
    streams,
    longLived: streams,
    limit: streams ? 0 : limit,
  };
}

/** timeout formats milliseconds for gRPC, in at most eight digits. */
function timeout(ms: number): string {
  return ms <= 99_999_999 ? `${ms}m` : `${Math.min(Math.trunc(ms / 1000), 99_999_999)}S`;
}

function seconds(ms: number): string {
  const rest = ms % 1000;
  return `${Math.trunc(ms / 1000)}${rest > 0 ? `.${`${1000 + rest}`.slice(1)}` : ""}`;
}

/**
 * warmRequest returns the request that has the bridge connect to a call's provider, and
 * nothing else (bridge/README.md, "Headers"). It carries no credentials for it.
 */
export function warmRequest(call: EngineCall): ModuleRequest | undefined {
  if (!call.provider) return undefined; // the bridge answers the call itself
  const { token, getToken, certPem, keyPem, ...rest } = call;
  const request = earlyRequest("getProviderStatus", { ...rest, transport: "fetch" });
  return request && { ...request, headers: `${request.headers}akash-warm:true\n` };
}

/** The request of a call that was sent before the module could. */
export class EarlyCall {
  readonly #request: ModuleRequest;
  readonly #sent: SentRequest;
  readonly #at = performance.now();
  #claimed = false;

  private constructor(request: ModuleRequest) {
    this.#request = request;
    this.#sent = sendRequest(send, request);
  }

  /**
   * send sends the request of a call, unless the call has to wait. Then the bridge is asked
   * to connect to the provider.
   */
  static send(method: CallMethod | StreamMethod, call: EngineCall): EarlyCall | undefined {
    const request = earlyRequest(method, call);
    if (request) return new EarlyCall(request);
    const warm = warmRequest(call);
    if (warm) sendRequest(send, warm);
    return undefined;
  }

  /** How long ago it was sent, in milliseconds: this is part of the attempt's time. */
  get spent(): number {
    return Math.round(performance.now() - this.#at);
  }

  /** claim returns what was sent, once, if it is the same as the module's request. */
  claim(request: ModuleRequest): SentRequest | undefined {
    if (this.#claimed || !same(request, this.#request)) return undefined;
    this.#claimed = true;
    return this.#sent;
  }

  /** abandon ends the request, unless the module has taken it over. */
  abandon(): void {
    if (this.#claimed) return;
    this.#claimed = true;
    this.#sent.abort();
  }
}

/** same reports whether two requests are the same. */
function same({ body, ...request }: ModuleRequest, { body: other, ...early }: ModuleRequest) {
  const bytes = body.length === other.length && body.every((byte, i) => byte === other[i]);
  return bytes && JSON.stringify(request) === JSON.stringify(early);
}
