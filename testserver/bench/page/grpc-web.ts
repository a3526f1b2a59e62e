// The peer grpc-web in text mode, the only mode in which it streams. Its messages are
// those of @bufbuild/protobuf, as with connect-web, because its own generator is not
// on npm.

import { create, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "grpc-web";
import {
  LeaseRPC,
  ServiceLogsRequestSchema,
  ServiceLogsResponseSchema,
} from "../gen/akash/provider/lease/v1/service_pb.ts";
import { Lines } from "./lines.ts";
import { metadata, type Source, Tally } from "./source.ts";

type Request = MessageShape<typeof ServiceLogsRequestSchema>;
type Response = MessageShape<typeof ServiceLogsResponseSchema>;

const path = `/${LeaseRPC.typeName}/${LeaseRPC.method.serviceLogs.name}`;

const descriptor = new MethodDescriptor<Request, Response>(
  path,
  MethodType.SERVER_STREAMING,
  Object as never,
  Object as never,
  (request: Request) => toBinary(ServiceLogsRequestSchema, request),
  (bytes: Uint8Array) => fromBinary(ServiceLogsResponseSchema, bytes),
);

export function logs(source: Source): Promise<Tally> {
  const client = new GrpcWebClientBase({ format: "text" });
  const lines = new Lines();
  const tally = new Tally();
  const { lease, provider } = source;
  const leaseId = { ...lease, dseq: BigInt(lease.dseq), provider };
  const request = create(ServiceLogsRequestSchema, { leaseId });
  return new Promise((resolve, reject) => {
    client
      .serverStreaming(source.bridgeUrl + path, request, metadata(source, true), descriptor)
      .on("data", ({ services }) => {
        for (const piece of services) lines.take(piece, tally);
      })
      .on("error", reject)
      .on("end", () => resolve(tally));
  });
}
