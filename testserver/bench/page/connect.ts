// The peer @connectrpc/connect-web.

import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { LeaseRPC } from "../gen/akash/provider/lease/v1/service_pb.ts";
import { ProviderRPC } from "../gen/akash/provider/v1/service_pb.ts";
import { Lines } from "./lines.ts";
import { metadata, type Source, Tally } from "./source.ts";

export async function logs(source: Source): Promise<Tally> {
  const client = createClient(LeaseRPC, createGrpcWebTransport({ baseUrl: source.bridgeUrl }));
  const lines = new Lines();
  const tally = new Tally();
  const { lease } = source;
  const leaseId = { ...lease, dseq: BigInt(lease.dseq), provider: source.provider };
  for await (const { services } of client.serviceLogs(
    { leaseId },
    { headers: metadata(source, true) },
  )) {
    for (const piece of services) lines.take(piece, tally);
  }
  return tally;
}

export async function status(source: Source): Promise<number> {
  const client = createClient(ProviderRPC, createGrpcWebTransport({ baseUrl: source.bridgeUrl }));
  const { cluster } = await client.getStatus({}, { headers: metadata(source, false) });
  return cluster?.leases?.active ?? 0;
}

/**
 * Opens a quiet stream, leaves it after its first message, and returns the time of that.
 */
export async function leave(source: Source, name: string): Promise<number> {
  const client = createClient(LeaseRPC, createGrpcWebTransport({ baseUrl: source.bridgeUrl }));
  const headers = { ...metadata(source, false), "akash-tls": "insecure" };
  const aborter = new AbortController();
  let left = 0;
  const responses = client.serviceLogs({ filter: { name } }, { headers, signal: aborter.signal });
  try {
    for await (const _ of responses) {
      left = performance.timeOrigin + performance.now();
      aborter.abort();
    }
  } catch (error) {
    if (left === 0) throw error;
  }
  return left;
}
