// What a provider's status says, as figures and words.

import type { CallResult, ClusterNode, ProviderStatus, ResourcePair } from "akash-provider-web";
import { providers as t } from "../text/en.js";
import { amount, bytes } from "../ui/quantity.js";

/** The unit in which a resource is counted. */
type Kind = "cores" | "devices" | "bytes";

/** How much of a resource is used. */
export interface Resource {
  name: string;
  kind: Kind;
  used: number;
  total: number;
}

/** What is known of the connection that a status came from. */
export type About = Pick<
  CallResult<ProviderStatus>,
  "method" | "endpoint" | "providerVersion" | "verified" | "trust"
>;

type NodeResources = NonNullable<ClusterNode["resources"]>;

/** The resources that a node can have. */
const ofNode: { name: string; kind: Kind; pick: (r: NodeResources) => ResourcePair | undefined }[] =
  [
    { name: t.cpu, kind: "cores", pick: (r) => r.cpu?.quantity },
    { name: t.gpu, kind: "devices", pick: (r) => r.gpu?.quantity },
    { name: t.memory, kind: "bytes", pick: (r) => r.memory?.quantity },
    { name: t.ephemeral, kind: "bytes", pick: (r) => r.ephemeralStorage },
  ];

/** The names of a node's resources. */
export const nodeColumns: readonly string[] = ofNode.map(({ name }) => name);

/** Returns a node's resources, in the order of nodeColumns. */
export function nodeResources(node: ClusterNode): Resource[] {
  return ofNode.map(({ name, kind, pick }) => ({
    name,
    kind,
    ...sum([node.resources && pick(node.resources)]),
  }));
}

/** Returns the resources of all nodes, and the storage by class. */
export function resources(status: ProviderStatus): Resource[] {
  const cluster = status.cluster?.inventory?.cluster;
  const nodes = cluster?.nodes ?? [];
  return [
    ...ofNode.map(({ name, kind, pick }) => ({
      name,
      kind,
      ...sum(nodes.map((node) => node.resources && pick(node.resources))),
    })),
    ...(cluster?.storage ?? []).map(({ info, quantity }) => ({
      name: t.storage(info?.class ?? ""),
      kind: "bytes" as const,
      ...sum([quantity]),
    })),
  ];
}

/** Sums resource pairs. Missing parts count as zero. */
export function sum(pairs: (Partial<ResourcePair> | undefined)[]): { used: number; total: number } {
  let used = 0;
  let total = 0;
  for (const pair of pairs) {
    used += Math.max(0, pair?.allocated?.value ?? 0);
    total += Math.max(0, pair?.allocatable?.value ?? 0);
  }
  return { used, total };
}

/** Formats an amount of a total: "21.8 of 63.9 cores". */
export function share({ kind, used, total }: Omit<Resource, "name">, separator = " of "): string {
  if (kind === "bytes") {
    const { texts, unit } = bytes(used, total);
    return `${texts[0]}${separator}${texts[1]} ${unit}`;
  }
  return `${amount(used)}${separator}${amount(total)}${kind === "cores" ? ` ${t.cores}` : ""}`;
}

/** Counts the GPUs of all nodes by model. */
export function gpuModels(status: ProviderStatus): Map<string, number> {
  const models = new Map<string, number>();
  for (const node of status.cluster?.inventory?.cluster?.nodes ?? []) {
    for (const gpu of node.resources?.gpu?.info ?? []) {
      const name = gpuName(gpu);
      models.set(name, (models.get(name) ?? 0) + 1);
    }
  }
  return models;
}

/** Returns what a GPU is called: "nvidia rtx4090 24Gi PCIe". */
export const gpuName = (gpu: {
  vendor: string;
  name: string;
  memorySize: string;
  interface: string;
}): string =>
  [gpu.vendor, gpu.name, gpu.memorySize, gpu.interface].filter(Boolean).join(" ") || t.unknownGpu;

/** Says how the provider's certificate was verified, and how that is known. */
export function certificate({
  verified,
  trust = "",
}: {
  verified?: string | undefined;
  trust?: string | undefined;
}): string {
  if (verified === "none") return t.unverified;
  if (verified === "pin") return t.pinned;
  const basis = { chain: t.byChain, ca: t.byCa }[verified ?? ""];
  if (!basis) return "";
  const [, equal, all] = trust.match(/^quorum=(\d+)\/(\d+)$/) ?? [];
  const known =
    equal && all
      ? t.quorum(equal, all)
      : { proven: t.proven, "one-node": t.oneNode, operator: t.operator }[trust];
  return known ? `${basis}; ${known}` : basis;
}
