// node chain-sdk.mjs BASE_URL LEASE TOKEN
//
// Calls a provider through a bridge with the chain's SDK, and prints what it got.

import { createProviderSDK } from "@akashnetwork/chain-sdk";

const [baseUrl, leaseText, token] = process.argv.slice(2);
const leaseId = JSON.parse(leaseText);

const sdk = createProviderSDK({ baseUrl });
const { getStatus, streamStatus } = sdk.akash.provider.v1;
const status = await getStatus({});
const printed = { GetStatus: status.cluster.leases.active };
for await (const { cluster } of await streamStatus({})) {
  printed.StreamStatus = cluster.leases.active;
  break;
}

// LeaseRPC has other messages than AEP-37's of the same name, and so a path of its own.
// The SDK has it, and its types do not say so.
const lease = createProviderSDK({ baseUrl: `${baseUrl}/chain-sdk` });
const { serviceStatus, serviceLogs, streamServiceStatus, streamServiceLogs } =
  lease.akash.provider.lease.v1;
const options = { header: { authorization: `Bearer ${token}` } };
const request = { leaseId, services: ["web"] };
const text = ({ services }) =>
  services.map(({ name, logs }) => `${name}: ${new TextDecoder().decode(logs)}`).join("");

printed.ServiceStatus = (await serviceStatus(request, options)).services.map(({ name }) => name);
printed.ServiceLogs = text(await serviceLogs(request, options));
for await (const { services } of await streamServiceStatus(request, options)) {
  printed.StreamServiceStatus = services.map(({ name }) => name);
  break;
}
printed.StreamServiceLogs = "";
for await (const message of await streamServiceLogs(request, options)) {
  printed.StreamServiceLogs += text(message);
  break;
}
console.log(JSON.stringify(printed));
process.exit(); // without waiting for idle connections
