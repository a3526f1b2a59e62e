// A client of the testserver's control API (testserver/README.md).

/**
 * A simulated fault. A fault with a delay accepts another one after an equals sign, as a
 * Go duration: `"slow-connect=500ms"`.
 *
 * | fault | effect |
 * |---|---|
 * | `slow-connect` | TLS handshakes start late (2s) |
 * | `refuse` | both ports refuse connections |
 * | `hang-accept` | connections are accepted and never read |
 * | `grpc-hang-accept` | the gRPC port accepts connections and never reads them |
 * | `grpc-slow-connect` | TLS handshakes of the gRPC port start late (1.2s) |
 * | `rest-hang-accept` | the REST port accepts connections and never reads them |
 * | `hang-headers` | responses stop after their headers |
 * | `freeze` | connections stay open and go silent |
 * | `tls12` | both ports speak TLS 1.2 only |
 * | `goaway-pings` | calls get GOAWAY ENHANCE_YOUR_CALM too_many_pings |
 * | `garbage-frames` | the gRPC port speaks no HTTP/2 after the handshake |
 * | `garbage-message` | responses are framed correctly but cannot be decoded |
 * | `oversized-message` | a status is 8 MiB long |
 * | `no-cluster` | a status lacks its cluster |
 * | `partial-first` | the first status of a stream lacks its cluster |
 * | `kube-down` | the provider cannot reach its cluster |
 * | `no-pods` | no pod of the lease is running |
 * | `restart-failure` | the last replica of a restart does not come back |
 * | `quote-replay` | attestation quotes are for the previous nonce |
 * | `events-repeat` | WebSockets of events close after the first event |
 * | `odd-frames` | the first frames of WebSockets are neither events nor lines |
 * | `close-1011`, `close-1013` | WebSockets close with that code at once |
 * | `cert-…` | the provider's certificate is invalid, for the reason in the name |
 * | `cert-swap` | every connection gets a new certificate, each on the chain |
 * | `chain-slow` | the chain node answers late (3s) |
 * | `chain-down` | the chain node refuses connections |
 * | `chain-500` | the chain node answers 502 with HTML |
 * | `chain-paginated` | the chain node returns one entry per page |
 * | `chain-v1beta3` | the chain is older than v1.0 |
 * | `chain-syncing` | the chain node is catching up |
 * | `chain-garbage` | the chain node answers with meaningless JSON |
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

/** The kind of certificate that a provider serves, including its state on the chain. */
export type CertificateKind = ClientCertificateKind | "wrongCN" | "notSelfSigned";

/** The kind of client certificate that the tenant has, including its state on the chain. */
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

/** A pod of a replica. */
export interface TestPod extends Replica {
  /** The pod's name. */
  pod: string;
}

/** How a pod is replaced. Durations are in Go's notation, such as `"4s"`. */
export interface ReplaceOptions {
  /**
   * Whether this is a step of a rolling update. Otherwise the pod is deleted. Default:
   * false.
   */
  update?: boolean;
  /**
   * How long the service has one ready pod fewer. Default: `"0s"`: then the status does not
   * show a deleted pod, and in an update the new pod runs before the old one ends.
   */
  dip?: string;
  /**
   * How long the new pod's container takes to be created, or true for until `started`.
   * Default: no time.
   */
  starting?: string | true;
  /** The last output of the old pod. Default: none. */
  last?: string;
}

/** The log of a replica so far. */
export interface ReplicaLog extends Replica {
  lines: number;
  /** The log's size in bytes, including line feeds. */
  bytes: number;
  /** The SHA-256 of the log, in hex. */
  sha256: string;
}

/** Numbers of calls that the provider received, by full gRPC method or REST route. */
export interface StreamCounts {
  /** Calls that are open now. */
  open: Record<string, number>;
  /** All calls so far. */
  total: Record<string, number>;
  /** Calls that the caller ended early. */
  cancelled: Record<string, number>;
}

/** A request that the provider received. */
export interface SeenRequest {
  /** The full gRPC method or the REST route. */
  method: string;
  protocol: "grpc" | "rest" | "ws";
  /** Whether it had an `authorization` header. */
  authorization: boolean;
  /** Whether it had a client certificate. */
  clientCert: boolean;
  /** The names of its headers or metadata. */
  metadata: string[];
}

/** The parts of a provider's status that tests often check, as protojson. */
export interface TestStatus {
  timestamp?: string;
  cluster: {
    leases: { active: number };
    inventory: { cluster: { nodes: { name: string }[]; storage: { info: { class: string } }[] } };
  };
}

/** The options of {@link TestProvider.token}. */
export interface TokenOptions {
  /** The signature's algorithm. Default: `"ES256K"`. */
  alg?: "ES256K" | "ES256KADR36";
  /** When it expires, from now, as a Go duration. Default: `"15m"`. */
  life?: string;
  /**
   * When it becomes valid, from now, as a Go duration; may be negative. Default: `"0s"`.
   */
  start?: string;
  /**
   * Who signs it: the tenant; a stranger, whose public key is not on the chain; or the
   * stranger in the tenant's name (`forged`). Default: `"tenant"`.
   */
  key?: "tenant" | "stranger" | "forged";
  /** Claims that replace the default ones; null removes a claim. Default: none. */
  claims?: TokenClaims;
}

/** Claims of a token (AEP-64). */
export type TokenClaims = Record<string, unknown>;

/** Control is a client of the testserver's control API. */
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
