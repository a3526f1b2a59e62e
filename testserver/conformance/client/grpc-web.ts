// The client under test: the npm package grpc-web in text mode, in which alone it
// delivers the messages of a stream as they arrive.

import { base64Decode } from "@bufbuild/protobuf/wire";
import {
  GrpcWebClientBase,
  type Metadata,
  MethodDescriptor,
  MethodType,
  type RpcError,
} from "grpc-web";
import { Code } from "../gen/connectrpc/conformance/v1/config_pb.ts";
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

serve(async (request) => {
  const method = methodOf(request);
  const path = `${baseUrl(request)}/${method.parent.typeName}/${method.name}`;
  const metadata: Metadata = Object.fromEntries(requestHeaders(request.requestHeaders));
  if (request.timeoutMs !== undefined) metadata.deadline = String(Date.now() + request.timeoutMs);
  const client = new GrpcWebClientBase({ format: "text" });

  const result: Result & { payloads: object[] } = { payloads: [] };
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const failed = (error: RpcError) => {
    result.error = {
      code: error.code as number,
      message: error.message,
      details: details(error.metadata),
    };
    result.responseTrailers = pairs(error.metadata);
    settle();
  };
  // An error event may be followed by a metadata event, but not preceded by the last
  // one.
  const settle = () => {
    if (result.error !== undefined && result.responseHeaders !== undefined) end();
  };
  const message = (response: Uint8Array) => {
    result.payloads.push(...payloadOf(method, response));
    received(result.payloads.length);
  };

  const call =
    method.methodKind === "unary"
      ? client.rpcCall(
          path,
          onlyMessage(request).value,
          metadata,
          descriptor(path, MethodType.UNARY),
          (error, response) => (error ? failed(error) : message(response)),
        )
      : client
          .serverStreaming(
            path,
            onlyMessage(request).value,
            metadata,
            descriptor(path, MethodType.SERVER_STREAMING),
          )
          .on("data", message)
          .on("error", failed);
  const received = cancellation(request, () => {
    call.cancel();
    // A canceled call reports nothing more; this is all that its caller can know.
    result.error = { code: Code.CANCELED };
    end();
  });
  call
    .on("metadata", (headers) => {
      result.responseHeaders = pairs(headers);
      settle();
    })
    .on("status", (status) => {
      result.responseTrailers = pairs(status.metadata);
    })
    .on("end", end);
  await ended;
  return result;
});

/** A method whose messages remain encoded. */
function descriptor(path: string, type: string): MethodDescriptor<Uint8Array, Uint8Array> {
  const asIs = (bytes: Uint8Array) => bytes;
  return new MethodDescriptor(path, type, Uint8Array as never, Uint8Array as never, asIs, asIs);
}

function pairs(metadata: Metadata = {}) {
  return responseHeaders(Object.entries(metadata));
}

function details(metadata: Metadata = {}) {
  const status = metadata["grpc-status-details-bin"];
  return status === undefined ? [] : statusDetails(base64Decode(status));
}
