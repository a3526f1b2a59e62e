// The public options; validation.ts checks them.
import type { LoadProgress } from "./engine/loader.js";
import type { FileProgress } from "./shell/files.js";
import type { Transport } from "./transport/transport.js";
import type { LeaseState, LogGap, ManifestGroup, StateListener } from "./types.js";

/** The options of {@link createClient}. */
export interface ClientOptions {
  /**
   * The URL of the bridge, an `akash-provider-bridge`. Default: the origin of the page, for
   * pages that the bridge itself serves.
   *
   * @example "https://bridge.example.com"
   */
  bridgeUrl?: string | URL;
  /**
   * The key, or the ID token, with which the bridge lets its callers in, if its operator
   * restricts them (`--caller-key`, `--oidc-issuer`). It does not go to providers. A function
   * is called for each call; a stream that reconnects uses what it returned then. Default:
   * none.
   *
   * @example () => session.idToken
   */
  bridgeKey?: string | (() => string);
  /**
   * A function that is called for each call, and returns the `traceparent` that the bridge
   * continues (https://www.w3.org/TR/trace-context/#traceparent-header), or undefined for
   * none. The provider gets it as well, over gRPC. Default: none.
   *
   * @example () => `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`
   */
  traceparent?: () => string | undefined;
  /**
   * The time limit of one attempt, in milliseconds, up to 2,147,483,647; `Infinity` for
   * none. Default: 30,000. It covers a whole unary call and, for a stream without `follow`,
   * the time until its first message.
   *
   * @example 10_000
   */
  timeoutMs?: number;
  /**
   * The maximum number of retries after a failed attempt, 0 to 100. Default: 3.
   *
   * @example 0
   */
  retries?: number;
  /**
   * How often the bridge sends a heartbeat on an idle stream, in milliseconds, 1,000 to
   * 3,600,000; 0 or false for never. Default: 8,000. If a stream receives nothing for two
   * intervals, its connection is considered dead and closed. Heartbeats also keep proxies
   * from closing idle connections.
   *
   * @example 60_000
   */
  heartbeatMs?: number | false;
  /**
   * The transport of streams and of `discoverProviders`: fetch or WebSockets. All other
   * calls use fetch. Default: `"auto"`, which uses WebSockets from a browser to a bridge
   * over http, and fetch otherwise. Over HTTP/1.1, browsers allow six requests to a host at
   * a time, and each stream takes one. WebSockets do not count, and HTTP/2 has no such
   * limit but in WebKitGTK, where `"auto"` uses WebSockets over https, too. So it does where
   * https turns out to be HTTP/1.1, as behind an nginx that is not told otherwise. If
   * WebSockets are blocked, `"auto"` uses fetch, and `"websocket"` fails with the reason
   * `webSocketUnavailable`.
   *
   * Over HTTP/2, a few streams that deliver more than the page reads can block all other
   * calls to the bridge. With `"auto"`, all but one of those streams continue over
   * WebSockets.
   *
   * A page can have 220 streams over WebSockets. One more fails as `RESOURCE_EXHAUSTED`,
   * with the reason `tooManyStreams`.
   *
   * @example "fetch"
   */
  transport?: Transport;
  /**
   * The URL of `akash-provider-web.wasm`. Default: beside the package's own file, in a form
   * that bundlers recognise.
   *
   * @example "/assets/akash-provider-web.wasm"
   */
  wasmUrl?: string | URL;
  /**
   * Called while the module loads, and once at its end, for which `createClient` then
   * waits. The module is about 3 MB, or half a
   * megabyte if the server compresses it. Default: none.
   *
   * @example ({ loaded, total }) => { bar.value = loaded / total; }
   */
  onProgress?: (progress: LoadProgress) => void;
  /**
   * A compiled module, for applications that load it themselves, or the promise of one,
   * which `createClient` does not wait for: if it is rejected, the calls fail. Default: the
   * module at `wasmUrl`.
   *
   * @example WebAssembly.compileStreaming(fetch("/module.wasm"))
   */
  wasmModule?: WebAssembly.Module | Promise<WebAssembly.Module>;
  /**
   * Whether the client runs in a Web Worker, which leaves little work to the page's thread.
   * All clients of a page share one worker. It ends when the last of them is disposed of or
   * cleaned up, and starts again with the next call. Default: false.
   *
   * The worker makes the requests, so a `fetch` that the page has wrapped does not see
   * them. If no worker can be started, `createClient` throws an error that says why.
   *
   * @example true
   */
  worker?: boolean;
  /**
   * The URL of the package's `worker.js`. Default: beside the package's own file, in a form
   * that bundlers recognise; for a script tag, the script itself. A Content-Security-Policy
   * must allow the worker in `worker-src`: its origin, or `blob:` if that is not the page's
   * own.
   *
   * @example "/assets/worker.js"
   */
  workerUrl?: string | URL;
}

/** The options of a call. Absent ones default to the client's. */
export interface CallOptions {
  /**
   * The time limit of one attempt, in milliseconds. Default: the client's.
   *
   * @example 5_000
   */
  timeoutMs?: number;
  /**
   * The maximum number of retries after a failed attempt. Default: the client's.
   *
   * @example 1
   */
  retries?: number;
  /**
   * Accept any certificate of the provider, if the bridge allows it. Anyone between the
   * bridge and the provider can then read everything, including credentials. Default:
   * false.
   *
   * @example true
   */
  insecure?: boolean;
  /**
   * Query the provider's version, to choose the protocol. Default: true. False always
   * uses gRPC.
   *
   * @example false
   */
  checkVersion?: boolean;
  /**
   * Ends the call at once. Its result is an error with the code `CANCELLED`, or
   * `DEADLINE_EXCEEDED` for `AbortSignal.timeout`. Default: none.
   *
   * @example AbortSignal.timeout(60_000)
   */
  signal?: AbortSignal;
}

/** The options of {@link Client.discoverProviders}. */
export interface DiscoverOptions extends CallOptions {
  /**
   * How many providers are called at the same time, at least 1. Default: 200.
   *
   * @example 20
   */
  concurrency?: number;
}

/** The options of {@link Client.listProviders}. */
export type ListProvidersOptions = Pick<CallOptions, "timeoutMs" | "retries" | "signal">;

/** The options of {@link Client.listLeases}. */
export interface ListLeasesOptions extends Pick<CallOptions, "timeoutMs" | "retries" | "signal"> {
  /**
   * The account's address.
   *
   * @example "akash1…"
   */
  owner: string;
  /**
   * The state of the leases to list. Default: `"active"`.
   *
   * @example "any"
   */
  state?: LeaseState | "any";
}

/** The options of a stream. Absent ones default to the client's. */
export interface StreamOptions extends CallOptions {
  /**
   * How often the bridge sends a heartbeat on an idle stream, in milliseconds; 0 or false
   * for never. Default: the client's.
   *
   * @example false
   */
  heartbeatMs?: number | false;
  /**
   * The transport of the stream. Default: the client's.
   *
   * @example "websocket"
   */
  transport?: Transport;
  /**
   * Whether to reconnect when the connection breaks. Default: true. Once the bridge has
   * answered, a stream with `follow` retries for as long as it is read, with a delay of up
   * to ten seconds between attempts. A stream without it gives up after `retries`
   * consecutive attempts that brought nothing new. With false, the stream throws when its
   * connection breaks.
   *
   * @example false
   */
  reconnect?: boolean;
  /**
   * Called whenever the stream's state changes, or the provider's reason for it, like
   * {@link Stream.onState}. Default: none.
   *
   * @example (state, error) => show(error?.reason === "podStarting" ? "starting" : state)
   */
  onState?: StateListener;
}

/** Identifies a lease. */
export interface LeaseId {
  /**
   * The tenant's address.
   *
   * @example "akash1…"
   */
  owner: string;
  /**
   * The deployment's sequence number.
   *
   * @example 1234567n
   */
  dseq: bigint | number | string;
  /**
   * The group's sequence number. Default: 1.
   *
   * @example 1
   */
  gseq?: number;
  /**
   * The order's sequence number. Default: 1.
   *
   * @example 1
   */
  oseq?: number;
  /**
   * The provider's address. Default: the provider that is called.
   *
   * @example "akash1…"
   */
  provider?: string;
  /**
   * The bid's sequence number. Default: 0.
   *
   * @example 0
   */
  bseq?: number;
}

/** Selects services of a lease. Absent members select all. */
export interface ServiceFilter {
  /**
   * The name of a service. Default: all services.
   *
   * @example "web"
   */
  name?: string;
  /**
   * The indexes of replicas, from 0. Default: all replicas.
   *
   * @example [0, 1]
   */
  replicas?: number[];
}

/**
 * The caller's credentials: a token signed by the tenant, a function that creates such
 * tokens, or the tenant's client certificate. Only one may be given, since providers refuse
 * two. Credentials are sent only with methods about a lease, and only to a provider whose
 * certificate has been verified.
 *
 * ```ts
 * const auth = { type: "jwt", getToken: () => wallet.signToken() };
 * ```
 */
export type Auth = TokenAuth | TokenSourceAuth | CertificateAuth;

/**
 * A token (AEP-64): a JWT that is signed with the owner's key as `ES256K` or `ES256KADR36`.
 * A token that is certain to be refused is not sent. The call then fails with the reason
 * `tokenInvalid`, `tokenExpired`, `tokenNotYetValid` (providers do not tolerate any clock
 * difference) or `scopeMissing`. A token's dates are compared with the page's clock, with a
 * tolerance of 30 seconds, within which the provider decides.
 *
 * Name the provider in the token's `leases.permissions`. A provider can use a token with
 * full access at any other provider. The first such token causes a warning on the console.
 */
export interface TokenAuth {
  type: "jwt";
  /** The token, without `Bearer`. */
  token: string;
  getToken?: never;
  certPem?: never;
  keyPem?: never;
}

/**
 * Creates tokens when they are needed. A token is used until 60 seconds before it expires.
 * The function is called again then, and once for each call whose token the provider
 * refused. Calls with the same function share its tokens, and wait together for a new one.
 * If the function throws, the call fails as `UNAUTHENTICATED`.
 */
export interface TokenSourceAuth {
  type: "jwt";
  /** Creates a token, for example by asking the user's wallet to sign one. */
  getToken: () => string | Promise<string>;
  token?: never;
  certPem?: never;
  keyPem?: never;
}

/**
 * A client certificate that the owner has published on the chain, and its key. They pass
 * through the bridge, which keeps them only for the duration of the call. A provider that
 * serves a certificate of a public CA does not request client certificates: use a token
 * there.
 */
export interface CertificateAuth {
  type: "mtls";
  /** The certificate, in PEM format. */
  certPem: string;
  /** The certificate's private key, in PEM format, not encrypted. */
  keyPem: string;
  token?: never;
  getToken?: never;
}

/** The options common to calls about a lease. */
export interface LeaseOptions extends CallOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * The services. Default: all.
   *
   * @example { name: "web", replicas: [0] }
   */
  filter?: ServiceFilter;
  /**
   * The credentials. Default: none, which providers refuse.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** The options of {@link Client.streamServiceStatus}. */
export interface ServiceStatusOptions extends LeaseOptions, StreamOptions {
  /**
   * Whether to continue with every change. Default: false.
   *
   * @example true
   */
  follow?: boolean;
}

/** The options of {@link Client.streamLogs}. */
export interface LogOptions extends LeaseOptions, StreamOptions {
  /**
   * Whether to continue with new lines after the existing ones. Default: false.
   *
   * @example true
   */
  follow?: boolean;
  /**
   * The number of lines of history per replica. It has an effect only over REST. Default:
   * all.
   *
   * @example 100
   */
  tail?: number;
  /**
   * Called where lines of a replica may be missing, before the lines that follow, like
   * {@link Stream.onGap}. Default: none. This is rare, because repeated lines are
   * recognised after a reconnect. Causes are: the log was rotated; its container or pod was
   * replaced; a line was too long for the provider's gateway; or, with `tail: 0`, the
   * connection broke before the first line. A container that restarts and first writes
   * exactly what the previous one wrote is mistaken for it.
   *
   * @example ({ service, replica }) => mark(service, replica)
   */
  onGap?: (gap: LogGap) => void;
}

/** The options of {@link Client.streamLeaseEvents}. */
export interface LeaseEventOptions extends StreamOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * Only events of this service. Default: all.
   *
   * @example "web"
   */
  service?: string;
  /**
   * Whether to continue with new events after the existing ones. Default: false. After a
   * reconnect, a provider sends all existing events again, without ids or times. Those with
   * the same text are skipped, once each. So an event that happened again with the same
   * text while the connection was down is not delivered.
   *
   * @example true
   */
  follow?: boolean;
  /**
   * The credentials. Default: none, which providers refuse. A token needs the scope
   * `events`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** The options of {@link Client.getManifest}. */
export interface GetManifestOptions extends CallOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * The credentials. Default: none, which providers refuse. A token needs the scope
   * `get-manifest`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** The options of {@link Client.sendManifest}. */
export type SendManifestOptions = Omit<CallOptions, "retries"> & {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The manifest's groups, or their JSON, at most 1 MiB. */
  manifest: readonly ManifestGroup[] | readonly object[] | string;
  /**
   * The credentials. Default: none, which providers refuse. A token needs the scope
   * `send-manifest`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
  /**
   * The time limit of the call, in milliseconds. Default: 150,000, since a provider may
   * take two minutes. The call is not retried.
   *
   * @example 60_000
   */
  timeoutMs?: number;
} & (
    | {
        /** A lease of the deployment. */
        lease: LeaseId;
        dseq?: never;
      }
    | {
        /** The deployment's sequence number. */
        dseq: bigint | number | string;
        lease?: never;
      }
  );

/** The deployment to which something is moved. */
export interface MigrateDestination {
  /** The deployment's sequence number. */
  dseq: bigint | number | string;
  /**
   * The group's sequence number. Default: 1.
   *
   * @example 1
   */
  gseq?: number;
}

/** The options common to both migrations. */
interface MigrateOptions extends Omit<CallOptions, "retries"> {
  /** The address of the provider of both deployments, `akash1…`. */
  provider: string;
  /** The destination, a deployment with an active lease at the provider. */
  destination: MigrateDestination;
}

/** The options of {@link Client.hostnameMigrate}. */
export interface HostnameMigrateOptions extends MigrateOptions {
  /**
   * The hostnames, at least one. Each must be among the `hosts` of the destination's
   * manifest.
   *
   * @example ["www.example.com"]
   */
  hostnames: readonly string[];
  /**
   * The credentials of the owner of both deployments. Default: none, which providers
   * refuse. A token needs the scope `hostname-migrate`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** The options of {@link Client.endpointMigrate}. */
export interface EndpointMigrateOptions extends MigrateOptions {
  /**
   * The names of the endpoints, at least one. Each must be the `ip` of an exposed port
   * in the destination's manifest.
   *
   * @example ["myendpoint"]
   */
  endpoints: readonly string[];
  /**
   * The credentials of the owner of both deployments. Default: none, which providers
   * refuse. A token needs the scope `ip-migrate`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** Whose inventory to get. */
export interface InventoryOptions extends CallOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /**
   * 32 bytes that have never been used before, which the snapshot must contain. Default:
   * random ones.
   *
   * @example crypto.getRandomValues(new Uint8Array(32))
   */
  nonce?: Uint8Array;
}

/** Which committed inventory to get. */
export interface CommittedInventoryOptions extends CallOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /**
   * The SHA-256 of the snapshot, as the provider has posted it on the chain. Default:
   * that of the latest.
   *
   * @example hash
   */
  hash?: Uint8Array;
}

/** The options of {@link Client.attestationQuote}. */
export interface AttestationOptions extends CallOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * 64 bytes that have never been used before, which the report must contain. Default:
   * random bytes.
   *
   * @example crypto.getRandomValues(new Uint8Array(64))
   */
  nonce?: Uint8Array;
  /**
   * Whether the report contains, instead of the nonce, the SHA-512 of the TLS key of the
   * lease's attestation service and the nonce. The client can check that only with {@link
   * AttestationOptions.tlsPublicKey}. Default: false.
   *
   * @example true
   */
  bindTls?: boolean;
  /**
   * The public key of the certificate that the lease's attestation service presents on a
   * direct TLS connection: SubjectPublicKeyInfo, DER. With `bindTls`, the report is checked
   * against it. Default: none, in which case the page must check it.
   *
   * @example spki
   */
  tlsPublicKey?: Uint8Array;
  /**
   * The credentials. Default: none, which providers refuse. A token needs the scope
   * `attestation`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** The options of {@link Client.restartServices}. */
export interface RestartOptions extends LeaseOptions {
  /**
   * How long the provider waits for the services to come back, in milliseconds. Default:
   * the client's `timeoutMs`. Replicas that are not back by then are `pending`. The call
   * itself may take 10 seconds longer. It is not retried.
   *
   * @example 120_000
   */
  timeoutMs?: number;
}

/** The options common to calls about a container. They are not retried. */
export interface ContainerOptions extends Omit<CallOptions, "retries"> {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * The container's service.
   *
   * @example "web"
   */
  service: string;
  /**
   * The index of the replica, from 0, in the order of its pods' names. Default: 0.
   *
   * @example 1
   */
  replica?: number;
  /**
   * The credentials. Default: none, which providers refuse. A token needs the scope `shell`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
  /**
   * The time limit for starting the process, in milliseconds. Default: the client's.
   *
   * @example 5_000
   */
  timeoutMs?: number;
}

/** The options of {@link Client.shell}. */
export interface ShellOptions extends ContainerOptions {
  /**
   * The program and its arguments. None may be empty: providers treat the first empty one
   * as the end. They are not interpreted by a shell. Default: `["sh"]`.
   *
   * @example ["bash", "-l"]
   */
  command?: readonly string[];
  /**
   * Whether the process gets a terminal. It then has a size, handles keys such as ctrl-C,
   * and its standard error is part of its standard output. Default: true.
   *
   * @example false
   */
  tty?: boolean;
  /**
   * Whether the process gets a standard input. Without it, its terminal has no size.
   * Default: true.
   *
   * @example false
   */
  stdin?: boolean;
  /**
   * The initial width of its terminal, in characters. Default: none; programs then assume
   * 80.
   *
   * @example 120
   */
  columns?: number;
  /**
   * The initial height of its terminal, in characters; requires `columns`. Default: none;
   * programs then assume 24.
   *
   * @example 40
   */
  rows?: number;
  /**
   * How often the bridge sends a heartbeat while the shell is idle, in milliseconds. With 0
   * or false it is every 30 seconds, and a dead connection is not detected. Default: the
   * client's.
   *
   * @example 60_000
   */
  heartbeatMs?: number | false;
}

/** The options of {@link Client.exec}. */
export interface ExecOptions extends ContainerOptions {
  /**
   * The program and its arguments. None may be empty. They are not interpreted by a shell;
   * for one, run `["sh", "-c", "…"]`.
   *
   * @example ["ls", "-l", "/data"]
   */
  command: readonly string[];
  /**
   * The command's standard input, after which it reads the end of the input. The container
   * needs `sh` and `head` for this. Default: none.
   *
   * @example "select 1;"
   */
  stdin?: string | Uint8Array;
  /**
   * The time limit of the command, in milliseconds. After it, the command may still be
   * running. Default: the client's.
   *
   * @example 60_000
   */
  timeoutMs?: number;
  /**
   * The maximum size of its output, in bytes, of both outputs together. Default: 1,048,576.
   * The rest is discarded, and `truncated` is set.
   *
   * @example 16_777_216
   */
  maxOutputBytes?: number;
  /**
   * The type of the output: text, in which invalid UTF-8 is replaced, or bytes. Default:
   * `"text"`.
   *
   * @example "bytes"
   */
  output?: "text" | "bytes";
}

/** The options of {@link Client.downloadFile}. */
export interface DownloadOptions extends ContainerOptions {
  /**
   * The path in the container. It is not interpreted by a shell.
   *
   * @example "/var/log/app.log"
   */
  path: string;
  /**
   * Whether the path is a directory, which is transferred as a tar archive of its content.
   * Default: false.
   *
   * @example true
   */
  directory?: boolean;
  /**
   * Called as bytes arrive. Default: none.
   *
   * @example ({ transferred, total }) => { bar.value = total ? transferred / total : 0; }
   */
  onProgress?: (progress: FileProgress) => void;
}

/** The options of {@link Client.uploadFile}. */
export interface UploadOptions extends DownloadOptions {
  /**
   * The path in the container. An existing file is replaced only when all data has arrived.
   * With `directory`, it is the directory into which the tar archive in `data` is unpacked;
   * it is created if it does not exist.
   *
   * @example "/app/config.json"
   */
  path: string;
  /**
   * The content: a `File` or another `Blob`, bytes, text, or a stream of bytes with `size`.
   *
   * @example input.files[0]
   */
  data: Blob | Uint8Array | string | ReadableStream<Uint8Array>;
  /**
   * The size of a stream in bytes, which is required: its end cannot be transmitted
   * otherwise. Default: none; other types of `data` have a size.
   *
   * @example 1_048_576
   */
  size?: number;
  /**
   * The file's mode, in the notation of `chmod`. Default: the container's default for new
   * files.
   *
   * @example "755"
   */
  mode?: string;
}
