// The part shared by pages without our client: shows a provider's status with
// connect-web.

import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { ProviderRPC } from "../gen/akash/provider/v1/service_pb.ts";

export async function show(bridgeUrl: string, provider: string): Promise<void> {
  const client = createClient(ProviderRPC, createGrpcWebTransport({ baseUrl: bridgeUrl }));
  const { cluster } = await client.getStatus({}, { headers: { "akash-provider": provider } });
  document.body.textContent = `${cluster?.leases?.active} leases`;
  console.log(`first ${performance.now()}`);
}
