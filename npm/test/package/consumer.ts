// A user's program, which names every kind of type that the package has. It is
// checked by each TypeScript that the package is meant for.
import {
  type Auth,
  type CallResult,
  type Client,
  type ClientOptions,
  createClient,
  type LeaseId,
  type LogEntry,
  ProviderError,
  type ProviderStatus,
  type Stream,
} from "akash-provider-web";

import wasmUrl from "akash-provider-web/akash-provider-web.wasm";
import "akash-provider-web/worker.js";
import { startTestProvider, type TestProvider } from "akash-provider-web/testing";

const options: ClientOptions = { bridgeUrl: new URL("https://bridge.example.com"), retries: 1 };
const auth: Auth = { type: "jwt", getToken: async () => "token" };
const lease: LeaseId = { owner: "akash1owner", dseq: "1" };
const provider = "akash1provider";

export async function status(client: Client): Promise<number | undefined> {
  const result: CallResult<ProviderStatus> = await client.getProviderStatus(provider);
  if (result.status === "success") return result.response.cluster?.leases?.active;
  const { code, reason, message, attempts } = result.error;
  throw new Error([code, reason, message, attempts].join(" "));
}

export async function apart(client: Client): Promise<string | undefined> {
  const { response, error } = await client.getProviderStatus(provider);
  return error ? error.message : response.errors.join();
}

export async function logs(stream: Stream<LogEntry>): Promise<string[]> {
  const lines: string[] = [];
  for await (const entries of stream.batches()) {
    for (const { service, replica, message } of entries) {
      lines.push(`${service.toUpperCase()}/${replica.toFixed()}: ${message.trim()}`);
    }
  }
  return lines;
}

export async function main(signal: AbortSignal): Promise<void> {
  const client = await createClient({ ...options, wasmUrl });
  await status(client);
  await logs(client.streamLogs({ provider, lease, auth, follow: true, signal }));
  for await (const { service, message } of client.streamLogs({ provider, lease, auth })) {
    console.log(service, message);
  }
  for await (const result of client.discoverProviders([provider], { concurrency: 2 })) {
    console.log(result.provider, result.status);
  }
  for await (const services of client.streamServiceStatus({ provider, lease, auth })) {
    console.log(services.map(({ name }) => name));
  }
  const { closedChannels } = await client.cleanupConnections();
  if (closedChannels > 0) throw new ProviderError({ code: "INTERNAL", message: "still open" });
}

export async function fake(): Promise<void> {
  const akash: TestProvider = await startTestProvider({ faults: ["refuse"], logLines: 10 });
  const client = await createClient({ bridgeUrl: akash.bridgeUrl });
  client.streamLogs({ provider: akash.provider, lease: akash.lease, auth: akash.auth.mtls });
  await akash.close();
}

export async function wrong(client: Client): Promise<void> {
  const { response } = await client.getProviderStatus(provider);
  // @ts-expect-error: where there is an error there is no response
  response.errors.join();
}

// @ts-expect-error: the types say what is not there
void main().nothing;
