// node grpc-js.mjs BASE_URL
//
// Calls a provider through a bridge with grpc-js, and prints what it got. grpc-js knows
// no paths before a method's, so the provider is in the metadata.

import { fromBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { Status } from "./schema.mjs";

const { host, pathname } = new URL(process.argv[2]);
const client = new Client(host, credentials.createInsecure());
const metadata = new Metadata();
metadata.set("akash-provider", pathname.slice(1));
const path = (method) => `/akash.provider.v1.ProviderRPC/${method}`;
const serialize = (bytes) => bytes;
const deserialize = (bytes) => fromBinary(Status, bytes).cluster.leases.active;
const empty = Buffer.alloc(0);

const unary = await new Promise((resolve, reject) => {
  client.makeUnaryRequest(
    path("GetStatus"),
    serialize,
    deserialize,
    empty,
    metadata,
    (error, value) => (error ? reject(error) : resolve(value)),
  );
});
const stream = client.makeServerStreamRequest(
  path("StreamStatus"),
  serialize,
  deserialize,
  empty,
  metadata,
);
const streamed = await new Promise((resolve, reject) => {
  stream.once("data", resolve).on("error", reject);
});
stream
  .removeAllListeners("error")
  .on("error", () => {})
  .cancel();
client.close();
console.log(JSON.stringify({ unary, streamed }));
