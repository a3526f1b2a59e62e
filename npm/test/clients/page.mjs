// Clients for pages. The test bundles this, and calls the global in a page of another
// origin than the bridge's.

import { fromBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "grpc-web";
import { ProviderRPC, registry, Status } from "./schema.mjs";

async function connectWeb(transport) {
  const client = createClient(ProviderRPC, transport);
  const unary = (await client.getStatus({})).cluster.leases.active;
  for await (const { cluster } of client.streamStatus({})) {
    return { unary, streamed: cluster.leases.active };
  }
}

async function grpcWeb(baseUrl, format) {
  const client = new GrpcWebClientBase({ format });
  const descriptor = (name, type) =>
    new MethodDescriptor(
      `/akash.provider.v1.ProviderRPC/${name}`,
      type,
      Uint8Array,
      Uint8Array,
      (bytes) => bytes,
      (bytes) => fromBinary(Status, bytes).cluster.leases.active,
    );
  const call = (method) => [baseUrl + method.getName(), new Uint8Array(), {}, method];
  const unary = await new Promise((resolve, reject) => {
    client.rpcCall(...call(descriptor("GetStatus", MethodType.UNARY)), (error, value) =>
      error ? reject(error) : resolve(value),
    );
  });
  if (format !== "text") return { unary }; // grpc-web streams in text only
  const stream = client.serverStreaming(
    ...call(descriptor("StreamStatus", MethodType.SERVER_STREAMING)),
  );
  const streamed = await new Promise((resolve, reject) => {
    stream.on("data", resolve);
    stream.on("error", reject);
  });
  stream.cancel();
  return { unary, streamed };
}

globalThis.callProvider = async (baseUrl) => ({
  "connect-web, Connect": await connectWeb(
    createConnectTransport({ baseUrl, jsonOptions: { registry } }),
  ),
  "connect-web, gRPC-Web": await connectWeb(createGrpcWebTransport({ baseUrl })),
  "grpc-web": await grpcWeb(baseUrl, "binary"),
  "grpc-web, text": await grpcWeb(baseUrl, "text"),
});
