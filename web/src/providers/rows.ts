// The list of all providers, as rows that can be sorted and searched.

import type { DiscoverResult, ProviderError, ProviderStatus } from "akash-provider-web";
import { gpuName, resources } from "./resources.js";

/** How much of a resource is used. */
export interface Use {
  readonly used: number;
  readonly total: number;
}

/** What is known of a provider. */
export interface Row {
  readonly address: string;
  readonly state: "asking" | "online" | "offline";
  /** Why it is offline. */
  readonly error?: ProviderError;
  readonly version?: string;
  readonly method?: "gRPC" | "REST";
  /** How long its answer took, in milliseconds. */
  readonly latency?: number;
  readonly leases?: number;
  readonly cpu?: Use;
  readonly gpu?: Use;
  readonly memory?: Use;
  readonly storage?: Use;
  /** Models of GPUs, and how many of them may be free. */
  readonly free?: readonly (readonly [model: string, count: number])[];
  /** What a search looks in, in lower case. */
  readonly text: string;
}

/** Returns the row of a provider that has not answered yet. */
export const asking = (address: string): Row => ({ address, state: "asking", text: address });

/** Returns the row of an answer. */
export function rowOf({ provider, tookMs, ...result }: DiscoverResult): Row {
  if (result.status === "error") {
    const { error, providerVersion: version } = result;
    const text = [provider, error.message, error.reason, version].join(" ").toLowerCase();
    return { address: provider, state: "offline", error, ...(version && { version }), text };
  }
  const { response: status, method, providerVersion: version } = result;
  const [cpu, gpu, memory, ...storage] = resources(status);
  const free = freeGpus(status);
  const all = (status.cluster?.inventory?.cluster?.nodes ?? []).flatMap(
    ({ resources }) => resources?.gpu?.info.map(gpuName) ?? [],
  );
  const words = [provider, version, ...new Set(all), ...status.publicHostnames];
  return {
    address: provider,
    state: "online",
    ...(version && { version }),
    method: method === "rest" ? "REST" : "gRPC",
    latency: tookMs,
    ...(status.cluster?.leases && { leases: status.cluster.leases.active }),
    ...(cpu && { cpu }),
    ...(gpu && { gpu }),
    ...(memory && { memory }),
    storage: {
      used: storage.reduce((sum, { used }) => sum + used, 0),
      total: storage.reduce((sum, { total }) => sum + total, 0),
    },
    free,
    text: words.join(" ").toLowerCase(),
  };
}

/**
 * Returns how many GPUs of each model may be free. A node says how many of its GPUs are
 * free, but not which: where it has several models, any of them may be.
 */
export function freeGpus(status: ProviderStatus): [string, number][] {
  const models = new Map<string, number>();
  for (const { resources } of status.cluster?.inventory?.cluster?.nodes ?? []) {
    const { allocatable, allocated } = resources?.gpu?.quantity ?? {};
    const free = (allocatable?.value ?? 0) - (allocated?.value ?? 0);
    const here = new Map<string, number>();
    for (const gpu of resources?.gpu?.info ?? []) {
      const name = gpu.name || gpuName(gpu);
      here.set(name, (here.get(name) ?? 0) + 1);
    }
    for (const [name, n] of here) {
      const most = Math.min(n, Math.floor(free));
      if (most > 0) models.set(name, (models.get(name) ?? 0) + most);
    }
  }
  return [...models].sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
}

/** What rows can be sorted by. */
export type Column =
  | "state"
  | "address"
  | "version"
  | "method"
  | "latency"
  | "leases"
  | "cpu"
  | "gpu"
  | "memory"
  | "storage";

/** The order of rows. */
export interface Order {
  readonly by: Column;
  readonly descending: boolean;
}

const states = { online: 0, offline: 1, asking: 2 };
const left = (use: Use | undefined) => use && use.total - use.used;
/** Releases as numbers: v0.10.2 is after v0.9.0. */
const release = (version: string | undefined) =>
  version?.replace(/\d+/g, (digits) => digits.padStart(6, "0"));

const keys: Record<Column, (row: Row) => string | number | undefined> = {
  state: ({ state }) => states[state],
  address: ({ address }) => address,
  version: ({ version }) => release(version),
  method: ({ method }) => method,
  latency: ({ latency }) => latency,
  leases: ({ leases }) => leases,
  cpu: ({ cpu }) => left(cpu),
  gpu: ({ gpu, free = [] }) => (gpu?.total ? left(gpu) : free.length || undefined),
  memory: ({ memory }) => left(memory),
  storage: ({ storage }) => left(storage),
};

/** Returns the rows in an order. Those of which nothing is known come last. */
export function sortRows(rows: readonly Row[], { by, descending }: Order): Row[] {
  const key = keys[by];
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => [row, key(row)] as const)
    .sort(([a, x], [b, y]) => {
      if (x === y) return a.address < b.address ? -1 : 1;
      if (x === undefined) return 1;
      if (y === undefined) return -1;
      return x < y ? -sign : sign;
    })
    .map(([row]) => row);
}

/** Returns the rows that have every word of a search. */
export function searchRows(rows: readonly Row[], search: string): readonly Row[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter(({ text }) => words.every((word) => text.includes(word)));
}
