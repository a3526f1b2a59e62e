// What all clients under test share in the page: decoding a ClientCompatRequest and
// encoding its ClientCompatResponse.

import {
  create,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryReader, base64Decode, base64Encode, WireType } from "@bufbuild/protobuf/wire";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
  ClientResponseResultSchema,
} from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import type { Header, HeaderSchema } from "../gen/connectrpc/conformance/v1/service_pb.ts";
import { ConformanceService } from "../gen/connectrpc/conformance/v1/service_pb.ts";

/** The result of a call. */
export type Result = MessageInitShape<typeof ClientResponseResultSchema>;

/** Makes the call that the suite requests. An exception fails the case. */
export type Client = (request: ClientCompatRequest) => Promise<Result>;

/** Longer than any case of the suite takes, and shorter than the runner waits. */
const patienceMs = 15_000;

/** Publishes the client for the program outside. */
export function serve(client: Client): void {
  async function invoke(encoded: string): Promise<string> {
    const request = fromBinary(ClientCompatRequestSchema, base64Decode(encoded));
    const response = create(ClientCompatResponseSchema, { testName: request.testName });
    try {
      const value = create(ClientResponseResultSchema, await within(patienceMs, client(request)));
      response.result = { case: "response", value };
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      response.result = {
        case: "error",
        value: { $typeName: "connectrpc.conformance.v1.ClientErrorResult", message },
      };
    }
    return base64Encode(toBinary(ClientCompatResponseSchema, response));
  }
  Object.assign(globalThis, { invoke });
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the descriptor of the method that a request calls. */
export function methodOf(request: ClientCompatRequest): DescMethod {
  const method = ConformanceService.methods.find((m) => m.name === request.method);
  if (request.service !== ConformanceService.typeName || method === undefined) {
    throw new Error(`unknown method ${request.service}/${request.method}`);
  }
  return method;
}

/** Returns the only request message of a unary call or a server stream. */
export function onlyMessage(request: ClientCompatRequest): Any {
  const [message, ...more] = request.requestMessages;
  if (message === undefined || more.length > 0) {
    throw new Error(`want one request message, got ${request.requestMessages.length}`);
  }
  return message;
}

/** Returns the payload of a response, or undefined if the response has no such field. */
export function payloadOf(method: DescMethod, response: Uint8Array): object[] {
  const payload = method.output.field.payload;
  if (payload === undefined) return [];
  const message = fromBinary(method.output, response) as Message & { payload?: object };
  return [message.payload ?? {}];
}

/** Decodes the details of a google.rpc.Status from grpc-status-details-bin. */
export function statusDetails(status: Uint8Array): Any[] {
  const details: Any[] = [];
  const reader = new BinaryReader(status);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 3 && type === WireType.LengthDelimited)
      details.push(fromBinary(AnySchema, reader.bytes()));
    else reader.skip(type);
  }
  return details;
}

/** Returns the URL of the server under test. */
export function baseUrl(request: ClientCompatRequest): string {
  const scheme = request.serverTlsCert.length > 0 ? "https" : "http";
  return `${scheme}://${request.host}:${request.port}`;
}

/** Returns the request's metadata. */
export function requestHeaders(headers: Header[]): Headers {
  const result = new Headers();
  for (const { name, value } of headers) for (const v of value) result.append(name, v);
  return result;
}

/** Converts metadata to the suite's form: each name once, with all its values. */
export function responseHeaders(
  headers: Iterable<[string, string]>,
): MessageInitShape<typeof HeaderSchema>[] {
  const values = new Map<string, string[]>();
  for (const [name, value] of headers) values.set(name, [...(values.get(name) ?? []), value]);
  return Array.from(values, ([name, value]) => ({ name, value }));
}

/**
 * Calls cancel when the request says so: some time after the request was sent or,
 * through the returned function, after a number of responses.
 */
export function cancellation(
  request: ClientCompatRequest,
  cancel: () => void,
): (responses: number) => void {
  const timing = request.cancel?.cancelTiming;
  if (request.cancel !== undefined && timing?.case !== "afterNumResponses") {
    setTimeout(cancel, timing?.case === "afterCloseSendMs" ? timing.value : 0);
  }
  return (responses) => {
    if (timing?.case === "afterNumResponses" && timing.value === responses) cancel();
  };
}
