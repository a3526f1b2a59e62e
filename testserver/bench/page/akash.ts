// Our client, used through its public API.

import {
  type Client,
  type ClientOptions,
  createClient,
  type LogOptions,
} from "../../../npm/dist/index.js";
import { type Source, Tally } from "./source.ts";

const clients = new Map<string, Promise<Client>>();

/** The client's options. Streams use fetch by default, as those of the peers do. */
type How = Pick<ClientOptions, "transport" | "worker">;

function clientOf({ bridgeUrl, wasmUrl, workerUrl }: Source, how: How = {}): Promise<Client> {
  const key = JSON.stringify([bridgeUrl, how]);
  let client = clients.get(key);
  if (!client) {
    client = createClient({ bridgeUrl, wasmUrl, workerUrl, transport: "fetch", ...how });
    clients.set(key, client);
  }
  return client;
}

function options({ provider, lease, jwt }: Source): LogOptions {
  return { provider, lease, auth: { type: "jwt", token: jwt } };
}

export async function batches(source: Source, how?: How): Promise<Tally> {
  const client = await clientOf(source, how);
  const tally = new Tally();
  for await (const entries of client.streamLogs(options(source)).batches()) {
    for (const entry of entries) tally.add(entry);
  }
  return tally;
}

export async function entries(source: Source): Promise<Tally> {
  const client = await clientOf(source);
  const tally = new Tally();
  for await (const entry of client.streamLogs(options(source))) tally.add(entry);
  return tally;
}

export async function status(source: Source, how?: How): Promise<number> {
  const client = await clientOf(source, how);
  const result = await client.getProviderStatus(source.provider);
  if (result.status === "error") throw result.error;
  return result.response.cluster?.leases?.active ?? 0;
}

/** Opens a quiet stream, leaves it after its first line, and returns the time of that. */
export async function leave(source: Source, name: string): Promise<number> {
  const client = await clientOf(source);
  const { provider, lease } = source;
  const logs = client.streamLogs({ provider, lease, filter: { name }, insecure: true });
  let left = 0;
  for await (const _ of logs) {
    left = performance.timeOrigin + performance.now();
    break;
  }
  return left;
}
