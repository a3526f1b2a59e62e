// Calls a provider through a bridge with createProviderWebSDK, and returns what it got.
// In a page, the test bundles this and calls the global; in Node it calls the export.

import { SendManifestRequest } from "@akashnetwork/chain-sdk/private-types/provider.akash.v1";
import { createProviderWebSDK, reasonOf, TransportErrorCode } from "../../dist/chain-sdk/index.js";

const text = ({ services }) =>
  services.map(({ name, logs }) => `${name}: ${new TextDecoder().decode(logs)}`).join("");

/** Returns what a refused call throws. */
async function refused(call) {
  try {
    await call();
  } catch (error) {
    const [code] = Object.entries(TransportErrorCode).find(([, value]) => value === error.code);
    return { code, reason: reasonOf(error), message: error.message };
  }
  throw new Error("the call was not refused");
}

/** Returns the first message of a stream, and leaves it. */
async function first(stream) {
  for await (const message of await stream) return message;
}

export async function callProvider({ bridgeUrl, provider, leaseId, sending, token, expired }) {
  const asked = [];
  const sdk = createProviderWebSDK({
    bridgeUrl,
    provider,
    authentication: {
      type: "jwt",
      getToken: async () => {
        asked.push(asked.length);
        return asked.length === 1 ? expired : token;
      },
    },
  });
  const { getStatus, streamStatus } = sdk.akash.provider.v1;
  const lease = sdk.akash.provider.lease.v1;
  const got = { errors: {} };
  got.GetStatus = (await getStatus({})).cluster.leases.active;
  got.StreamStatus = (await first(streamStatus())).cluster.leases.active;

  const request = { leaseId, services: ["web"] };
  // The first token has expired; after it was refused, another is asked for.
  got.errors.expired = await refused(() => lease.serviceStatus(request));
  const headers = [];
  const options = { onHeader: (header) => headers.push(header.get("akash-provider-version")) };
  const { services } = await lease.serviceStatus(request, options);
  got.ServiceStatus = services.map(({ name }) => name);
  got.version = headers;
  got.StreamServiceStatus = (await first(lease.streamServiceStatus(request))).services.length;
  got.ServiceLogs = text(await lease.serviceLogs(request));
  got.StreamServiceLogs = text(await first(lease.streamServiceLogs(request)));
  const { manifest } = SendManifestRequest.fromJSON(sending);
  got.SendManifest = await lease.sendManifest({ leaseId, manifest });
  got.asked = asked.length;

  const wrong = [...manifest, ...manifest];
  got.errors.manifest = await refused(() => lease.sendManifest({ leaseId, manifest: wrong }));
  // An address that is not a provider's.
  const { akash } = createProviderWebSDK({ baseUrl: `${bridgeUrl}/${leaseId.owner}` });
  got.errors.unknown = await refused(() => akash.provider.v1.getStatus({}));
  const open = createProviderWebSDK({ bridgeUrl, provider }).akash.provider.lease.v1;
  got.errors.missing = await refused(() => open.serviceStatus(request));

  const leaving = new AbortController();
  got.errors.aborted = await refused(async () => {
    const { signal } = leaving;
    for await (const _ of await lease.streamServiceLogs(request, { signal })) leaving.abort();
  });
  got.errors.late = await refused(async () => {
    for await (const _ of await lease.streamServiceLogs(request, { timeoutMs: 300 }));
  });
  got.errors.ended = await refused(async () => {
    for await (const _ of await streamStatus({}))
      await sdk[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]();
  });
  const nowhere = createProviderWebSDK({ bridgeUrl: "http://127.0.0.1:1", provider });
  got.errors.unreachable = await refused(() => nowhere.akash.provider.v1.getStatus({}));
  return got;
}

globalThis.callProvider = callProvider;
