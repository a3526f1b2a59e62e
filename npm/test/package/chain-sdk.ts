// A user's program that calls a provider with the chain's SDK, in a page.
import { type createProviderSDK, SDKError, SDKErrorCode } from "@akashnetwork/chain-sdk";
import {
  type Authentication,
  createProviderWebSDK,
  createProviderWebTransport,
  type ErrorReason,
  type ProviderWebSDK,
  reasonOf,
  type Transport,
  TransportError,
} from "akash-provider-web/chain-sdk";
import type { Transport as SDKTransport } from "./node_modules/@akashnetwork/chain-sdk/dist/types/sdk/transport/types.js";

const authentication: Authentication = { type: "jwt", getToken: async () => "token" };
const sdk: ProviderWebSDK = createProviderWebSDK({
  bridgeUrl: "https://bridge.example.com",
  provider: "akash1provider",
  authentication,
  errorClass: SDKError,
  transportOptions: { defaultTimeoutMs: 30_000 },
});

// It can stand in for the SDK's own, and its transport for the SDK's.
export const node: ReturnType<typeof createProviderSDK> = sdk;
const transport: Transport = createProviderWebTransport({ baseUrl: "https://b.example/akash1p" });
export const theirs: SDKTransport<never> = transport;

export async function status(signal: AbortSignal): Promise<number | undefined> {
  const { cluster } = await sdk.akash.provider.v1.getStatus({}, { signal, timeoutMs: 1000 });
  for await (const { cluster } of await sdk.akash.provider.v1.streamStatus()) {
    return cluster?.leases?.active;
  }
  return cluster?.leases?.active;
}

export async function lease(): Promise<string[]> {
  const { sendManifest, serviceStatus, streamServiceLogs } = sdk.akash.provider.lease.v1;
  const leaseId = { owner: "akash1tenant", dseq: 1, gseq: 1, oseq: 1, provider: "akash1provider" };
  await sendManifest({ leaseId, manifest: [{ name: "dcloud", services: [{ name: "web" }] }] });
  for await (const { services } of await streamServiceLogs({ leaseId, services: ["web"] })) {
    console.log(services.map(({ logs }) => logs.length));
  }
  const { services } = await serviceStatus({ leaseId });
  return services.map(({ name, status }) => `${name}: ${status?.available.toFixed()}`);
}

export function explain(error: unknown): ErrorReason | undefined {
  if (error instanceof TransportError) return `${error.code} ${error.metadata.get("akash-error")}`;
  if (error instanceof SDKError && error.code === SDKErrorCode.NotFound) return "unknownProvider";
  return reasonOf(error);
}

// @ts-expect-error: the types say what is not there
void sdk.akash.provider.v1.getStatuses();
// @ts-expect-error: a manifest has a list of groups
void sdk.akash.provider.lease.v1.sendManifest({ manifest: 1 });
// @ts-expect-error: a token is a string
createProviderWebSDK({ authentication: { type: "jwt", token: 1 } });
