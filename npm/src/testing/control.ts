// The testserver's API for tests, which testserver/README.md lists.

/**
 * Something that goes wrong on purpose. Those that take time take another one after
 * an equals sign, as Go writes durations: `"slow-connect=500ms"`.
 *
 * | fault | what happens |
 * |---|---|
 * | `slow-connect` | TLS handshakes start late (2s) |
 * | `refuse` | both ports refuse connections |
 * | `hang-accept` | connections are accepted and never read |
 * | `grpc-hang-accept` | the gRPC port accepts connections and never reads them |
 * | `grpc-slow-connect` | TLS handshakes of the gRPC port start late (1.2s) |
 * | `rest-hang-accept` | the REST port accepts connections and never reads them |
 * | `hang-headers` | answers stop after their headers |
 * | `freeze` | connections stay open and go silent |
 * | `tls12` | both ports speak TLS 1.2 only |
 * | `goaway-pings` | a call gets GOAWAY ENHANCE_YOUR_CALM too_many_pings |
 * | `garbage-frames` | the gRPC port speaks no HTTP/2 after the handshake |
 * | `garbage-message` | answers are well framed and undecodable |
 * | `oversized-message` | a status is 8 MiB long |
 * | `no-cluster` | a status lacks its cluster |
 * | `partial-first` | the first status of a stream lacks its cluster |
 * | `kube-down` | the provider does not reach its cluster |
 * | `no-pods` | no pod of the lease is running |
 * | `restart-failure` | the last replica of a restart does not come back |
 * | `quote-replay` | attestation quotes are for the nonce of the one before |
 * | `events-repeat` | WebSockets of events send the first event and close |
 * | `odd-frames` | WebSockets begin with frames that are neither events nor lines |
 * | `close-1011`, `close-1013` | WebSockets close with that code at once |
 * | `cert-…` | the provider's certificate is refused, for the reason in the name |
 * | `cert-swap` | every connection gets a new certificate, each on the chain |
 * | `chain-slow` | the chain node answers late (3s) |
 * | `chain-down` | the chain node refuses connections |
 * | `chain-500` | the chain node answers 502 with HTML |
 * | `chain-paginated` | the chain node gives one entry a page |
 * | `chain-v1beta3` | the chain is older than v1.0 |
 * | `chain-syncing` | the chain node is catching up |
 * | `chain-garbage` | the chain node answers JSON that makes no sense |
 */
export type Fault =
  | "slow-connect"
  | "refuse"
  | "hang-accept"
  | "grpc-hang-accept"
  | "grpc-slow-connect"
  | "rest-hang-accept"
  | "hang-headers"
  | "freeze"
  | "tls12"
  | "goaway-pings"
  | "garbage-frames"
  | "garbage-message"
  | "oversized-message"
  | "no-cluster"
  | "partial-first"
  | "kube-down"
  | "no-pods"
  | "restart-failure"
  | "quote-replay"
  | "events-repeat"
  | "odd-frames"
  | "close-1011"
  | "close-1013"
  | "cert-expired"
  | "cert-not-yet-valid"
  | "cert-foreign"
  | "cert-revoked"
  | "cert-absent"
  | "cert-other-key"
  | "cert-not-self-signed"
  | "cert-swap"
  | "chain-slow"
  | "chain-down"
  | "chain-500"
  | "chain-paginated"
  | "chain-v1beta3"
  | "chain-syncing"
  | "chain-garbage"
  | `slow-connect=${string}`
  | `grpc-slow-connect=${string}`
  | `chain-slow=${string}`;

/** What kind of certificate a provider serves, and what the chain has of it. */
export type CertificateKind = ClientCertificateKind | "wrongCN" | "notSelfSigned";

/** What kind of client certificate the tenant has, and what the chain has of it. */
export type ClientCertificateKind =
  | "valid"
  | "expired"
  | "notYetValid"
  | "revoked"
  | "absent"
  | "otherKey";

/** One replica of a service of the lease. */
export interface Replica {
  service: string;
  /** Its index, from 0. */
  replica: number;
}

/** A pod, and the replica that it is. */
export interface TestPod extends Replica {
  /** The pod's name. */
  pod: string;
}

/** How a pod is replaced. Durations are as Go writes them, such as `"4s"`. */
export interface ReplaceOptions {
  /** Whether it is a step of a rolling update; otherwise the pod is deleted. */
  update?: boolean;
  /**
   * How long the service has one pod fewer that is ready. Default: `"0s"`, with which the
   * status shows nothing of a deleted pod, and in an update the new pod runs before the
   * old one ends.
   */
  dip?: string;
  /** How long the new pod's container is being created, or true until `started`. */
  starting?: string | true;
  /** What the old pod writes at its end. */
  last?: string;
}

/** What a replica has written so far. */
export interface ReplicaLog extends Replica {
  lines: number;
  /** How long its log is, in bytes, the line feeds included. */
  bytes: number;
  /** The SHA-256 of all of it, in hex. */
  sha256: string;
}

/** Calls that the provider got, by full gRPC method or by REST route. */
export interface StreamCounts {
  /** How many are open now. */
  open: Record<string, number>;
  /** How many there were. */
  total: Record<string, number>;
  /** How many of those the caller ended early. */
  cancelled: Record<string, number>;
}

/** A request that the provider got. */
export interface SeenRequest {
  /** The full gRPC method or the REST route. */
  method: string;
  protocol: "grpc" | "rest" | "ws";
  /** Whether it came with an `authorization` header. */
  authorization: boolean;
  /** Whether it came with a client certificate. */
  clientCert: boolean;
  /** The names of its metadata or headers. */
  metadata: string[];
}

/** The parts of a provider's status, as protojson, that tests like to look at. */
export interface TestStatus {
  timestamp?: string;
  cluster: {
    leases: { active: number };
    inventory: { cluster: { nodes: { name: string }[]; storage: { info: { class: string } }[] } };
  };
}

/** What token to make. */
export interface TokenOptions {
  /** The signature's algorithm. Default: `"ES256K"`. */
  alg?: "ES256K" | "ES256KADR36";
  /** How long from now it ends, as Go writes durations. Default: `"15m"`. */
  life?: string;
  /** How long from now it begins, as Go writes durations; may be negative. Default: `"0s"`. */
  start?: string;
  /**
   * Who signs: the tenant, an account without a public key on the chain, or that
   * one under the tenant's name. Default: `"tenant"`.
   */
  key?: "tenant" | "stranger" | "forged";
  /** Claims instead of the usual ones; null leaves a claim out. */
  claims?: TokenClaims;
}

/** Claims of a token (AEP-64). */
export type TokenClaims = Record<string, unknown>;

/** Control speaks the testserver's API for tests. */
export class Control {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async get<T>(path: string, query: object = {}): Promise<T> {
    return (await (await this.send("GET", path, query)).json()) as T;
  }

  async text(path: string, query: object): Promise<string> {
    return (await this.send("GET", path, query)).text();
  }

  async post<T>(path: string, query: object = {}, body?: string): Promise<T> {
    const text = await (await this.send("POST", path, query, body)).text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  async send(method: string, path: string, query: object, body?: string): Promise<Response> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const response = await fetch(
      `${this.#url}${path}?${new URLSearchParams(given)}`,
      body === undefined ? { method } : { method, body },
    );
    if (response.ok) return response;
    throw new Error(`testserver: ${method} ${path}: ${(await response.text()).trim()}`);
  }
}
