// A page that shows a provider's status as soon as it can, on connect-web.

import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { ProviderRPC } from "../gen/akash/provider/v1/service_pb.ts";

declare const cold: { bridgeUrl: string; provider: string };

const client = createClient(ProviderRPC, createGrpcWebTransport({ baseUrl: cold.bridgeUrl }));
const { cluster } = await client.getStatus({}, { headers: { "akash-provider": cold.provider } });
document.body.textContent = `${cluster?.leases?.active} leases`;
console.log(`first ${performance.now()}`);
