// The floor: reads and counts bytes without decoding them.

import { create, toBinary } from "@bufbuild/protobuf";
import { LeaseRPC, ServiceLogsRequestSchema } from "../gen/akash/provider/lease/v1/service_pb.ts";
import { ProviderRPC } from "../gen/akash/provider/v1/service_pb.ts";
import { metadata, type Source } from "./source.ts";

function post(source: Source, path: string, message: Uint8Array, lease: boolean) {
  const body = new Uint8Array(5 + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, 5);
  return fetch(source.bridgeUrl + path, {
    method: "POST",
    headers: {
      "content-type": "application/grpc-web+proto",
      "x-grpc-web": "1",
      ...metadata(source, lease),
    },
    body,
  });
}

export async function logs(source: Source): Promise<{ bytes: number }> {
  const { lease, provider } = source;
  const leaseId = { ...lease, dseq: BigInt(lease.dseq), provider };
  const message = toBinary(ServiceLogsRequestSchema, create(ServiceLogsRequestSchema, { leaseId }));
  const path = `/${LeaseRPC.typeName}/${LeaseRPC.method.serviceLogs.name}`;
  const response = await post(source, path, message, true);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { bytes };
    bytes += value.length;
  }
}

export async function status(source: Source): Promise<number> {
  const path = `/${ProviderRPC.typeName}/${ProviderRPC.method.getStatus.name}`;
  const response = await post(source, path, new Uint8Array(0), false);
  return (await response.arrayBuffer()).byteLength;
}
