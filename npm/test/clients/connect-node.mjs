// node connect-node.mjs BASE_URL
//
// Calls a provider through a bridge with connect-node, in each of its protocols, and
// prints what it got.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { ProviderRPC, registry } from "./schema.mjs";

const [baseUrl] = process.argv.slice(2);
const nodeOptions = { rejectUnauthorized: false };
const transports = {
  gRPC: createGrpcTransport({ baseUrl, nodeOptions }),
  "gRPC-Web": createGrpcWebTransport({ baseUrl, httpVersion: "2", nodeOptions }),
  Connect: createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }),
  "Connect over HTTP/1.1": createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
  "Connect, JSON": createConnectTransport({
    baseUrl,
    httpVersion: "2",
    nodeOptions,
    useBinaryFormat: false,
    jsonOptions: { registry },
  }),
};
const printed = {};
for (const [name, transport] of Object.entries(transports)) {
  const client = createClient(ProviderRPC, transport);
  const unary = await client.getStatus({});
  const leaving = new AbortController();
  let streamed;
  try {
    for await (const { cluster } of client.streamStatus({}, { signal: leaving.signal })) {
      streamed = cluster.leases.active;
      leaving.abort();
    }
  } catch (error) {
    if (ConnectError.from(error).code !== Code.Canceled) throw error;
  }
  // A host that the caller names is refused.
  const refused = await client
    .getStatus({}, { headers: { "akash-host-uri": "https://elsewhere.example:8443" } })
    .catch((error) => ({ code: Code[error.code], reason: error.metadata.get("akash-error") }));
  printed[name] = { unary: unary.cluster.leases.active, streamed, refused };
}
console.log(JSON.stringify(printed));
process.exit(); // without waiting for idle connections
