// The client under test: @connectrpc/connect-web.

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import type { ClientCompatRequest } from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { ConformanceService } from "../gen/connectrpc/conformance/v1/service_pb.ts";
import {
  baseUrl,
  cancellation,
  methodOf,
  onlyMessage,
  type Result,
  requestHeaders,
  responseHeaders,
  serve,
} from "./page.ts";

serve(async (request) => {
  const result: Result & { payloads: object[] } = { payloads: [] };
  const aborter = new AbortController();
  const received = cancellation(request, () => aborter.abort());
  const options = {
    headers: requestHeaders(request.requestHeaders),
    signal: aborter.signal,
    timeoutMs: request.timeoutMs,
    onHeader: (headers: Headers) => {
      result.responseHeaders = responseHeaders(headers);
    },
    onTrailer: (trailers: Headers) => {
      result.responseTrailers = responseHeaders(trailers);
    },
  };
  try {
    for await (const payload of payloads(request, options)) {
      result.payloads.push(payload);
      received(result.payloads.length);
    }
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    result.error = {
      code: error.code as number,
      message: error.rawMessage,
      details: error.details.map((detail) =>
        "type" in detail
          ? { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value }
          : fail("an outgoing detail in an error received"),
      ),
    };
    // A ConnectError does not distinguish headers from trailers.
    result.responseHeaders ??= responseHeaders(error.metadata);
    result.responseTrailers = responseHeaders(error.metadata);
  }
  return result;
});

/** Makes the call and yields the payloads of its responses. */
async function* payloads(request: ClientCompatRequest, options: object) {
  const client = createClient(
    ConformanceService,
    createGrpcWebTransport({ baseUrl: baseUrl(request) }),
  );
  const message = onlyMessage(request);
  const { unary, serverStream, idempotentUnary, unimplemented } = ConformanceService.method;
  switch (methodOf(request)) {
    case unary:
      yield (await client.unary(unpack(message, unary.input), options)).payload ?? {};
      break;
    case idempotentUnary:
      yield (await client.idempotentUnary(unpack(message, idempotentUnary.input), options))
        .payload ?? {};
      break;
    case unimplemented:
      await client.unimplemented(unpack(message, unimplemented.input), options);
      break;
    case serverStream:
      for await (const response of client.serverStream(
        unpack(message, serverStream.input),
        options,
      )) {
        yield response.payload ?? {};
      }
      break;
    default:
      throw new ConnectError(
        `gRPC-Web in a browser cannot call ${request.method}`,
        Code.Unimplemented,
      );
  }
}

function unpack<D extends DescMessage>(message: Any, schema: D): MessageShape<D> {
  return anyUnpack(message, schema) ?? fail(`want a ${schema.typeName}, got a ${message.typeUrl}`);
}

function fail(message: string): never {
  throw new Error(message);
}
