import type { ProviderError } from "./errors.js";

/**
 * The state of a stream: connecting for the first time, open, connecting again, or
 * ended, with or without an error.
 *
 * A stream counts as open once a new item has arrived, or its connection has lasted
 * for a second. A connection that breaks before that does not change the state.
 */
export type StreamState = "connecting" | "open" | "reconnecting" | "ended";

/**
 * Receives a stream's state and, while the stream connects after a failed connection,
 * the error of that connection. Such an error does not end the stream.
 */
export type StateListener = (state: StreamState, error: ProviderError | undefined) => void;

/**
 * A position in a replica's log where lines may be missing: the stream had to
 * reconnect, and the provider's log does not show with certainty where to continue;
 * or, over REST, a line was longer than 65,535 bytes. A provider's gateway ends a
 * pod's log at such a line. The stream continues after it within some seconds.
 */
export interface LogGap {
  service: string;
  /** As in {@link LogEntry}. */
  replica: number;
  /**
   * How many lines are missing; null if unknown, which is always so at present:
   * providers' logs have neither timestamps nor line numbers.
   */
  lost: number | null;
}

/** The state of a lease on the chain. */
export type LeaseState = "active" | "insufficient_funds" | "closed" | "reclaiming";

/** A lease as it is on the chain. */
export interface ListedLease {
  /** Identifies the lease: for the option `lease` of other calls. */
  lease: {
    owner: string;
    dseq: bigint;
    gseq: number;
    oseq: number;
    bseq: number;
    provider: string;
  };
  state: LeaseState;
  /** The price of one block, as a decimal number, such as `"0.75"`. */
  price: string;
  /** What the price is in, such as `"uakt"`. */
  denom: string;
  /** The height of the block in which the lease began. */
  createdAt: number;
  /** The height of the block in which it was closed; 0 if it is not. */
  closedOn: number;
}

/** Leases of an account. */
export interface LeaseList {
  /** The newest first, 200 at most. */
  leases: ListedLease[];
  /** Whether there are more, all of them older. */
  more: boolean;
  /**
   * How it is known that no lease is missing: `"quorum=K/M"` if K of the bridge's M nodes
   * named the same ones, `"one-node"` if one was believed. It is never `"proven"`: a node
   * can prove that a lease is there, but not that no other is.
   */
  completeness: Trust;
  /** The height of the block whose state this is; 0 if unknown. */
  height: number;
}

/** All providers on the chain. */
export interface ProviderList {
  /** Their addresses, in order. */
  providers: string[];
  /** The height of the block whose state this is; 0 if unknown. */
  height: number;
}

/** An amount of a resource in Kubernetes notation. */
export interface Quantity {
  /** The provider's text, such as `"63900m"` or `"511Gi"`. */
  text: string;
  /** Its numeric value, such as `63.9`; null if the text is not a quantity. */
  value: number | null;
}

/** A duration. */
export interface Duration {
  /** In seconds, with the suffix `s`, such as `"86400s"`. */
  text: string;
  /** In seconds. */
  seconds: number;
}

/** A key and a value that describe a resource. */
export interface Attribute {
  key: string;
  value: string;
}

/** An amount of a resource, and the part of it that is allocated to leases. */
export interface ResourcePair {
  /** The total available to leases. */
  allocatable?: Quantity;
  /**
   * The amount allocated to leases. It exceeds allocatable if the provider overcommits.
   */
  allocated?: Quantity;
  attributes: Attribute[];
  /** The physical amount; absent from providers older than about v0.6.8. */
  capacity?: Quantity;
}

/** A machine of a provider's cluster. */
export interface ClusterNode {
  name: string;
  resources?: {
    /** In cores. */
    cpu?: {
      quantity?: ResourcePair;
      info: { id: string; vendor: string; model: string; vcores: number }[];
    };
    /** In bytes. */
    memory?: {
      quantity?: ResourcePair;
      info: { vendor: string; type: string; totalSize: string; speed: string }[];
    };
    /** In devices. */
    gpu?: {
      quantity?: ResourcePair;
      info: {
        vendor: string;
        vendorId: string;
        name: string;
        modelid: string;
        interface: string;
        memorySize: string;
      }[];
    };
    /** In bytes. */
    ephemeralStorage?: ResourcePair;
    volumesAttached?: ResourcePair;
    volumesMounted?: ResourcePair;
  };
  capabilities?: { storageClasses: string[] };
}

/** A class of persistent storage. */
export interface ClusterStorage {
  /** In bytes. */
  quantity?: ResourcePair;
  info?: { class: string; iops: string };
}

/** The number of reservations, and their total resources. */
export interface ReservationsMetric {
  count: number;
  resources?: {
    /** In cores. */
    cpu?: Quantity;
    /** In bytes. */
    memory?: Quantity;
    /** In devices. */
    gpu?: Quantity;
    /** In bytes. */
    ephemeralStorage?: Quantity;
    /** In bytes, by storage class. */
    storage: Record<string, Quantity>;
  };
}

/**
 * A provider's report about itself (`akash.provider.v1.Status`), in the same form for
 * all provider versions. Parts that the provider did not send are absent, which may be
 * any part right after its start.
 *
 * The documentation of the Python SDK also names `leases.available`,
 * `bid_engine.available` and `manifest.available`. No provider of any version sends
 * them. A provider does not know how many leases it could accept; `cluster.inventory`
 * has the free resources. `bidEngine` and `manifest` are present once the provider's
 * bid engine and manifest service have reported.
 */
export interface ProviderStatus {
  /**
   * Problems with this status, as messages: the provider's own errors, and those of
   * the bridge, which begin with `bridge: `. Over REST, an impossible amount, such
   * as a negative one or more free than there is, is limited to the allocatable
   * amount. A message here then names the node, the resource and the provider's
   * value. Over gRPC, amounts are unchanged.
   */
  errors: string[];
  cluster?: {
    leases?: { active: number };
    /**
     * Absent if unknown, for example before the provider has inspected its
     * cluster; `errors` then says so. This is different from a cluster without
     * nodes.
     */
    inventory?: {
      cluster?: { nodes: ClusterNode[]; storage: ClusterStorage[] };
      reservations?: { pending?: ReservationsMetric; active?: ReservationsMetric };
      leasedIp?: ResourcePair;
    };
  };
  /** The orders being processed; present once the bid engine has reported. */
  bidEngine?: { orders: number };
  /**
   * The deployments whose manifests are awaited; present once the manifest service has
   * reported.
   */
  manifest?: { deployments: number };
  publicHostnames: string[];
  /** When the provider created this status, as RFC 3339 text in UTC. */
  timestamp?: string;
  /**
   * How long services continue to run after the provider has begun to reclaim their lease
   * (AEP-82). In that time the lease is `reclaiming` on the chain, and its status and logs
   * are unchanged. Absent if the provider offers no such time, and before v0.14.0.
   */
  reclamationWindow?: Duration;
}

/** The status of one service of a lease. */
export interface ServiceStatus {
  name: string;
  status?: {
    available: number;
    total: number;
    uris: string[];
    /** Exact up to 2^53. */
    observedGeneration: number;
    replicas: number;
    updatedReplicas: number;
    readyReplicas: number;
    availableReplicas: number;
  };
  ports: { host: string; port: number; externalPort: number; proto: string; name: string }[];
  ips: { port: number; externalPort: number; protocol: string; ip: string }[];
}

/**
 * A group of a manifest, in the provider's form. The SHA-256 of its JSON with sorted
 * keys is the deployment's version on the chain.
 */
export interface ManifestGroup {
  name: string;
  services: ManifestService[];
}

/** A service of a manifest. Quantities are decimal strings. */
export interface ManifestService {
  name: string;
  image: string;
  command: string[] | null;
  args: string[] | null;
  env: string[] | null;
  resources: {
    id: number;
    /** In thousandths of a core. */
    cpu: { units: { val: string }; attributes?: Attribute[] };
    /** In bytes. */
    memory: { size: { val: string }; attributes?: Attribute[] };
    /** In bytes. */
    storage: { name: string; size: { val: string }; attributes?: Attribute[] }[];
    /** In devices. */
    gpu: { units: { val: string }; attributes?: Attribute[] };
    endpoints: { kind?: string | number; sequence_number: number }[] | null;
  };
  /** The number of replicas. */
  count: number;
  expose: ManifestExpose[] | null;
  params?: object | null;
  credentials?: object | null;
}

/** A port of a service of a manifest. */
export interface ManifestExpose {
  port: number;
  externalPort: number;
  proto: string;
  service: string;
  global: boolean;
  hosts: string[] | null;
  httpOptions: {
    /** In bytes. */
    maxBodySize: number;
    /** In milliseconds. */
    readTimeout: number;
    /** In milliseconds. */
    sendTimeout: number;
    nextTries: number;
    /** In milliseconds. */
    nextTimeout: number;
    nextCases: string[] | null;
  };
  ip: string;
  endpointSequenceNumber: number;
}

/** An event of a lease: a Kubernetes event. */
export interface LeaseEvent {
  type: "Normal" | "Warning" | (string & {});
  /** A machine-readable reason, such as `"Scheduled"`, `"Pulled"` or `"BackOff"`. */
  reason: string;
  /** A description for people. */
  note: string;
  /** The object of the event, such as a `Pod`, in the lease's own namespace. */
  object?: { kind: string; namespace: string; name: string };
  /** The component that reported it, such as `"kubelet"`; may be empty. */
  reportingController: string;
  /** The instance that reported it, such as the node's name; may be empty. */
  reportingInstance: string;
}

/**
 * A provider's inventory, signed by it (AEP-86). It is for the nonce that was sent, and
 * of the provider that was asked, by its own word: only the signature shows that.
 */
export interface InventorySnapshot {
  /**
   * What is signed: an encoded `akash.inventory.v1.SnapshotPayload`, whose `.proto` file
   * the chain's SDK has.
   */
  payload: Uint8Array;
  /**
   * The signature of the payload with the key of the provider's account, which the
   * chain knows: for secp256k1 64 bytes, r and s, over its SHA-256. It is not checked.
   */
  signature: Uint8Array;
  /**
   * The SHA-256 of the payload, computed here; where the page has no `crypto.subtle`,
   * as over plain HTTP, it is the provider's word, and absent for a new snapshot.
   */
  hash?: Uint8Array;
  /** The provider's address. */
  provider: string;
  /** Which form the payload has. */
  schemaVersion: number;
  /** The chain that the provider is on, such as `"akashnet-2"`. */
  chainId: string;
  /** The nonce in the payload; empty in a committed snapshot. */
  nonce: Uint8Array;
  /** When the provider stored a committed snapshot, as RFC 3339 text in UTC. */
  postedAt?: string;
}

/**
 * The evidence that a lease runs in a trusted execution environment, signed by its
 * hardware. The client has checked that the report contains the nonce;
 * `docs/attestation.md` of the package lists what a page has to verify itself.
 */
export interface AttestationQuote {
  /** The nonce that was sent. */
  nonce: Uint8Array;
  /**
   * The CPU's report: an ATTESTATION_REPORT of SEV-SNP, a quote of TDX (version 4 or 5), or
   * a TDREPORT, which only the same machine can verify.
   */
  report: Uint8Array;
  /** The 64 bytes of report data in the report: the nonce, unless `tlsBound`. */
  reportData: Uint8Array;
  /** The platform. */
  teePlatform: "snp" | "tdx" | "snp-gpu" | "tdx-gpu" | (string & {});
  /** Certificates for the report; usually empty, since AMD and Intel publish them. */
  certChain: Uint8Array;
  /** Further data of the platform; usually empty. */
  auxblob: Uint8Array;
  /** The reports of the GPUs. The nonce in them is not checked. */
  gpuReports: { deviceIndex: number; report: Uint8Array }[];
  /** Whether the report data is the SHA-512 of a TLS key and the nonce. */
  tlsBound: boolean;
  /**
   * Whether the report data was checked against the nonce. It is false if the report is
   * bound to a TLS key that was not given.
   */
  nonceVerified: boolean;
  /** Whether the report is a mock for development, which is not signed by hardware. */
  mock: boolean;
}

/** The result of a restart for one replica of a service. */
export interface RestartStatus {
  service: string;
  replica: string;
  /** An unknown state is given as its number. */
  state: "pending" | "active" | "failure" | (string & {});
  message?: string;
}

/** A log line. */
export interface LogEntry {
  /** The service that wrote it. */
  service: string;
  /**
   * The index of the service's replica; -1 if the provider does not say which replica
   * wrote the line. So it is if only the provider's gRPC can be reached and has the
   * `LeaseRPC` of the chain's SDK. Then `filter.replicas` is refused, and a followed log
   * of several pods that breaks ends with the reason `logNotResumable`, since repeated
   * lines could not be recognised.
   */
  replica: number;
  /** The line without its line feed. Invalid UTF-8 is replaced by U+FFFD. */
  message: string;
  /**
   * True if the line is longer than 1 MiB (as UTF-8) and continues in the next entry
   * of the same service and replica; absent otherwise. To get the whole line, join
   * the messages up to the first entry without it. Over REST there are no such
   * lines: a gateway sends at most 65,535 bytes, see {@link LogGap}.
   */
  continues?: true;
}

/**
 * How what the verification of a provider rests on is known. Most to least certain:
 *
 * - `"proven"`: the chain's validators signed it.
 * - `"quorum=2/3"`: 2 of the bridge's 3 chain nodes gave the same answer.
 * - `"one-node"`: the bridge believed one chain node.
 * - `"operator"`: the bridge's operator named the provider's host, and a public CA
 *   certified it.
 * - `"pin"`: the caller pinned the certificate. The chain was not needed.
 * - `"none"`: the certificate was not verified, because of `insecure`.
 */
export type Trust =
  | "proven"
  | `quorum=${number}/${number}`
  | "one-node"
  | "operator"
  | "pin"
  | "none";

/** How a provider was reached, as far as known. */
export interface Route {
  /** The protocol used with the provider. */
  method?: "grpc" | "rest";
  /** The host and port of the connection. */
  endpoint?: string;
  /** The version that the provider reports. */
  providerVersion?: string;
  /**
   * How the provider's certificate was verified: by its record on the chain, by a
   * public CA for the host name, or by the caller's pin; or `"none"` if it was not
   * verified because of `insecure`. Then anyone may have answered.
   */
  verified?: "chain" | "ca" | "pin" | "none";
  /**
   * How it is known that this certificate, or the host that a CA certified, is the
   * provider's.
   */
  trust?: Trust;
  /** True if the chain could not be queried and the host comes from an old record. */
  stale?: boolean;
}

/**
 * The result of a unary call, which does not throw. Both members can be destructured
 * at once: if there is an `error`, there is no `response`.
 *
 * ```ts
 * const { response, error } = await client.getProviderStatus(address);
 * if (error) throw error;
 * console.log(response.cluster?.leases?.active);
 * ```
 */
export type CallResult<T> =
  | ({ status: "success"; response: T; error?: undefined; attempts: number } & Route)
  | ({ status: "error"; error: ProviderError; response?: undefined; attempts: number } & Route);
