// The client under test: the transport of akash-provider-web, compiled from
// wasm/conformance. Messages are exchanged with it as base64, everything else as JSON.

import "wasm_exec.js"; // Go's, which defines globalThis.Go
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { makeRequest } from "../../../npm/src/transport/request.ts";
import {
  baseUrl,
  cancellation,
  methodOf,
  onlyMessage,
  payloadOf,
  type Result,
  requestHeaders,
  responseHeaders,
  serve,
  statusDetails,
} from "./page.ts";

/** A header or trailer: the JSON of Go's grpcweb.Field. */
type Field = { Name: string; Value: string };

type Outcome = { headers: Field[] | null; trailers: Field[] | null; code: number; message: string };

/** The object that wasm/conformance publishes. */
declare const conformance: {
  call(
    request: string,
    receive: (message: string) => void,
    settle: (outcome: string) => void,
  ): number;
  cancel(call: number): void;
};

declare const Go: new () => {
  importObject: WebAssembly.Imports;
  run(instance: WebAssembly.Instance): Promise<void>;
};

Object.assign(globalThis, { request: makeRequest((url, init) => fetch(url, init)) });
const go = new Go();
const { instance } = await WebAssembly.instantiateStreaming(fetch("/akash.wasm"), go.importObject);
void go.run(instance);

serve(async (request) => {
  const method = methodOf(request);
  const payloads: object[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const call = conformance.call(
    JSON.stringify({
      url: `${baseUrl(request)}/${method.parent.typeName}/${method.name}`,
      headers: Array.from(requestHeaders(request.requestHeaders), ([Name, Value]) => ({
        Name,
        Value,
      })),
      message: base64Encode(onlyMessage(request).value),
      timeout: request.timeoutMs,
      unary: method.methodKind === "unary",
    }),
    (message) => {
      payloads.push(...payloadOf(method, base64Decode(message)));
      received(payloads.length);
    },
    resolve,
  );
  const received = cancellation(request, () => conformance.cancel(call));

  const outcome: Outcome = JSON.parse(await promise);
  const result: Result = {
    payloads,
    responseHeaders: responseHeaders(pairs(outcome.headers)),
    responseTrailers: responseHeaders(pairs(outcome.trailers)),
  };
  if (outcome.code !== 0) {
    const details = outcome.trailers?.find(({ Name }) => Name === "grpc-status-details-bin");
    result.error = {
      code: outcome.code,
      message: outcome.message,
      details: details === undefined ? [] : statusDetails(base64Decode(details.Value)),
    };
  }
  return result;
});

function pairs(fields: Field[] | null): [string, string][] {
  return (fields ?? []).map(({ Name, Value }) => [Name, Value]);
}
