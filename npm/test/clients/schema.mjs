// The part of ProviderRPC's schema that the tests look at, for clients that need one. A
// project has code that buf generates from the .proto files instead.

import { create, createFileRegistry } from "@bufbuild/protobuf";
import {
  EmptySchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";

const field = (name, number, type, typeName) => ({ name, number, type, typeName, label: 1 });
const message = 11;
const uint32 = 13;

const file = create(FileDescriptorProtoSchema, {
  name: "provider.proto",
  package: "akash.provider.v1",
  syntax: "proto3",
  dependency: ["google/protobuf/empty.proto"],
  messageType: [
    { name: "Status", field: [field("cluster", 2, message, ".akash.provider.v1.Cluster")] },
    { name: "Cluster", field: [field("leases", 1, message, ".akash.provider.v1.Leases")] },
    { name: "Leases", field: [field("active", 1, uint32)] },
  ],
  service: [
    {
      name: "ProviderRPC",
      method: ["GetStatus", "StreamStatus"].map((name) => ({
        name,
        inputType: ".google.protobuf.Empty",
        outputType: ".akash.provider.v1.Status",
        serverStreaming: name === "StreamStatus",
      })),
    },
  ],
});

export const registry = createFileRegistry(
  create(FileDescriptorSetSchema, { file: [EmptySchema.file.proto, file] }),
);
export const ProviderRPC = registry.getService("akash.provider.v1.ProviderRPC");
export const Status = registry.getMessage("akash.provider.v1.Status");
