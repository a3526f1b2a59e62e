import type { ProviderError } from "./errors.js";

/**
 * What a stream is doing: it connects, and was never open; or is open; or was, and
 * connects again; or has come to its end, well or not.
 *
 * A stream is open once something new came, or its connection has stood for a second.
 * One that breaks before that does not change the state.
 */
export type StreamState = "connecting" | "open" | "reconnecting" | "ended";

/**
 * Is told what a stream is doing, and, while it connects after a connection that
 * failed, how that failed. An error told here is no end: the stream goes on.
 */
export type StateListener = (state: StreamState, error: ProviderError | undefined) => void;

/**
 * A place in a replica's log where lines may be missing: the stream had to connect
 * again, and what the provider then had of the log does not show for certain where
 * it goes on; or, over REST, a line was longer than 65,535 bytes. A provider's gateway
 * stops a pod's log at such a line; the stream goes on after it within some seconds.
 */
export interface LogGap {
  service: string;
  replica: number;
  /**
   * How many lines are missing; null where that is not known, which is everywhere up to
   * now: what providers send of a log has neither times nor numbers to count by.
   */
  lost: number | null;
}

/** An amount of a resource, as Kubernetes writes it. */
export interface Quantity {
  /** The text as the provider gave it, such as `"63900m"` or `"511Gi"`. */
  text: string;
  /** The number it stands for, such as `63.9`; null where the text is no quantity. */
  value: number | null;
}

/** A span of time. */
export interface Duration {
  /** In seconds, with an `s` at the end, such as `"86400s"`. */
  text: string;
  /** In seconds. */
  seconds: number;
}

/** A key and a value that describe a resource. */
export interface Attribute {
  key: string;
  value: string;
}

/** An amount of one resource, and the part of it that leases hold. */
export interface ResourcePair {
  /** What leases may use in all. */
  allocatable?: Quantity;
  /** What leases hold. A provider that overcommits holds more than is allocatable. */
  allocated?: Quantity;
  attributes: Attribute[];
  /** What there is; absent from providers older than about v0.6.8. */
  capacity?: Quantity;
}

/** One machine of a provider's cluster. */
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

/** Persistent storage of one class. */
export interface ClusterStorage {
  /** In bytes. */
  quantity?: ResourcePair;
  info?: { class: string; iops: string };
}

/** How many reservations there are, and what they hold together. */
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
 * What a provider says of itself (`akash.provider.v1.Status`), in one form whatever
 * the provider's age. A part that the provider did not send is absent; right after
 * its start that may be any.
 *
 * The Python SDK's document also names `leases.available`, `bid_engine.available` and
 * `manifest.available`. No provider of any version sends them. A provider has no
 * number of leases that it could take: `cluster.inventory` tells what is free. Its
 * bid engine and its manifest service have reported where `bidEngine` and `manifest`
 * are there.
 */
export interface ProviderStatus {
  /**
   * What is wrong with this status, in sentences: the provider's own errors, and those
   * of the bridge, which begin with `bridge: `. Over REST an amount that cannot be, such
   * as a negative one or more free than there is, is bounded by what is allocatable, and
   * a sentence here names the node, the resource and the value that the provider gave.
   * Over gRPC amounts are as the provider gave them.
   */
  errors: string[];
  cluster?: {
    leases?: { active: number };
    /**
     * Absent where it is not known, as until the provider has looked at its cluster;
     * `errors` says so then. That is not a cluster without nodes.
     */
    inventory?: {
      cluster?: { nodes: ClusterNode[]; storage: ClusterStorage[] };
      reservations?: { pending?: ReservationsMetric; active?: ReservationsMetric };
      leasedIp?: ResourcePair;
    };
  };
  /** The orders that it is looking at; there once the bid engine has reported. */
  bidEngine?: { orders: number };
  /** The deployments whose manifests it awaits; there once that service has reported. */
  manifest?: { deployments: number };
  publicHostnames: string[];
  /** When the provider wrote this, as RFC 3339 text in UTC. */
  timestamp?: string;
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
 * A group of a manifest, as providers take it. Its JSON with sorted keys has the
 * SHA-256 that the deployment on the chain has as its version.
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
  /** How many replicas. */
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

/** Something that happened to a lease: an event of Kubernetes. */
export interface LeaseEvent {
  type: "Normal" | "Warning" | (string & {});
  /** A word for programs, such as `"Scheduled"`, `"Pulled"` or `"BackOff"`. */
  reason: string;
  /** A sentence for people. */
  note: string;
  /** What it is about, such as a `Pod`, in the lease's own namespace. */
  object?: { kind: string; namespace: string; name: string };
  /** Who reported it, such as `"kubelet"`; may be empty. */
  reportingController: string;
  /** Where, such as the node's name; may be empty. */
  reportingInstance: string;
}

/** What became of one replica of a service that was to be restarted. */
export interface RestartStatus {
  service: string;
  replica: string;
  /** A state that this version does not know is its number. */
  state: "pending" | "active" | "failure" | (string & {});
  message?: string;
}

/** One line of a log. */
export interface LogEntry {
  /** The service that wrote it. */
  service: string;
  /** The index of the service's replica. */
  replica: number;
  /** The line, without the line feed at its end. Bytes that are not UTF-8 are U+FFFD. */
  message: string;
  /**
   * True where the line is longer than 1 MiB (as UTF-8) and goes on in the next entry of
   * the same service and replica; absent otherwise. To have the whole line, join the
   * messages up to the first entry without it. Over REST there are no such lines: a
   * gateway passes on 65,535 bytes at most, see {@link LogGap}.
   */
  continues?: true;
}

/** What is known of how a provider was reached. */
export interface Route {
  /** How the provider was spoken to. */
  method?: "grpc" | "rest";
  /** The host and port that answered. */
  endpoint?: string;
  /** The provider's version, as it says itself. */
  providerVersion?: string;
  /**
   * What the provider's certificate was accepted for: the chain's record of it, a
   * public authority's word for the host name, the pin of a caller; or `"none"` where
   * it was not checked, with `insecure`. Then anybody may have answered.
   */
  verified?: "chain" | "ca" | "pin" | "none";
  /** True where the chain does not answer, and an old record of it told the host. */
  stale?: boolean;
}

/**
 * What comes of a call that has one answer. Such a call does not throw. Both members can
 * be taken apart at once: where there is an `error` there is no `response`.
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
