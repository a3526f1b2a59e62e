// What callers pass, documented; validation.ts checks it.
import type { LoadProgress } from "./engine/loader.js";
import type { FileProgress } from "./shell/files.js";
import type { Transport } from "./transport/transport.js";
import type { LogGap, ManifestGroup, StateListener } from "./types.js";

/** How a client is made. */
export interface ClientOptions {
  /**
   * The URL of the bridge, an `akash-provider-bridge`. Default: the origin of the
   * page, for pages that the bridge itself serves.
   *
   * @example "https://bridge.example.com"
   */
  bridgeUrl?: string | URL;
  /**
   * How long one attempt at a call may take, in milliseconds; `Infinity` for as
   * long as it likes. Default: 30,000. It bounds the whole of a call with one
   * answer, and of a stream without `follow` the time until it begins.
   *
   * @example 10_000
   */
  timeoutMs?: number;
  /**
   * How many attempts may follow the first one that fails, 0 to 100. Default: 3.
   *
   * @example 0
   */
  retries?: number;
  /**
   * How often the bridge breaks the silence of a stream, in milliseconds, 1,000 to
   * 3,600,000; 0 or false for never. Default: 8,000. A stream on which nothing came
   * for two intervals is dead: its connection is given up. Heartbeats also keep
   * proxies from closing a quiet stream.
   *
   * @example 60_000
   */
  heartbeatMs?: number | false;
  /**
   * How streams go to the bridge, and the calls of `discoverProviders`: by fetch or
   * over WebSockets. Default: `"auto"`, which is over WebSockets from a browser to a
   * bridge over http, and by fetch otherwise. Browsers make six requests to a host at
   * a time over HTTP/1.1, of which each stream takes one; WebSockets are not counted,
   * and over HTTP/2 there is no such limit. Where WebSockets do not get through
   * `"auto"` goes by fetch, and `"websocket"` fails with the reason
   * `webSocketUnavailable`. All other calls go by fetch.
   *
   * Over HTTP/2 a few streams that bring more than the page reads can hold up all else
   * that goes to the bridge. With `"auto"` all but one of those go on over WebSockets.
   *
   * A page can have 220 streams over WebSockets; one more fails as
   * `RESOURCE_EXHAUSTED`, with the reason `tooManyStreams`.
   *
   * @example "fetch"
   */
  transport?: Transport;
  /**
   * Where `akash-provider-web.wasm` is. Default: beside the package's own file,
   * which bundlers understand.
   *
   * @example "/assets/akash-provider-web.wasm"
   */
  wasmUrl?: string | URL;
  /**
   * Is called while the module loads, which is about 3 MB, and half a megabyte on the
   * way where the server compresses it; and once at the end. Default: none.
   *
   * @example ({ loaded, total }) => { bar.value = loaded / total; }
   */
  onProgress?: (progress: LoadProgress) => void;
  /**
   * The compiled module itself, for those who load it themselves. Default: the module
   * at `wasmUrl`.
   *
   * @example await WebAssembly.compileStreaming(fetch("/module.wasm"))
   */
  wasmModule?: WebAssembly.Module;
  /**
   * Whether the client's work is done in a Web Worker, which leaves the page's thread
   * little more to do than to take what is finished. All clients of a page share one
   * worker. It ends with the last of them that is disposed of or cleaned up, and
   * starts again at the next call. Default: false.
   *
   * The worker makes the requests: a `fetch` that the page has wrapped does not see
   * them. Where there can be no worker, the client is not made, and the error says
   * why.
   *
   * @example true
   */
  worker?: boolean;
  /**
   * Where the package's `worker.js` is. Default: beside the package's own file, which
   * bundlers understand; for a script tag the script itself. A Content-Security-Policy
   * must allow the worker by `worker-src`: its origin, or `blob:` where that is not the
   * page's own.
   *
   * @example "/assets/worker.js"
   */
  workerUrl?: string | URL;
}

/** How one call is made; what is absent is as the client has it. */
export interface CallOptions {
  /**
   * How long one attempt may take, in milliseconds. Default: the client's.
   *
   * @example 5_000
   */
  timeoutMs?: number;
  /**
   * How many attempts may follow the first one that fails. Default: the client's.
   *
   * @example 1
   */
  retries?: number;
  /**
   * Accept any certificate of the provider, where the bridge allows it. Whoever is
   * between the bridge and the provider can then read everything, credentials
   * included. Default: false.
   *
   * @example true
   */
  insecure?: boolean;
  /**
   * Ask the provider's version before choosing how to speak to it. Default: true.
   * False goes straight to gRPC.
   *
   * @example false
   */
  checkVersion?: boolean;
  /**
   * Ends the call at once, whatever it is doing: the result is an error with the
   * code `CANCELLED`, or `DEADLINE_EXCEEDED` after `AbortSignal.timeout`. Default:
   * none.
   *
   * @example AbortSignal.timeout(60_000)
   */
  signal?: AbortSignal;
}

/** How providers are discovered. */
export interface DiscoverOptions extends CallOptions {
  /**
   * How many providers are asked at the same time, from 1. Default: 200.
   *
   * @example 20
   */
  concurrency?: number;
}

/** How one stream is made; what is absent is as the client has it. */
export interface StreamOptions extends CallOptions {
  /**
   * How often the bridge breaks the stream's silence, in milliseconds; 0 or false
   * for never. Default: the client's.
   *
   * @example false
   */
  heartbeatMs?: number | false;
  /**
   * How the stream goes to the bridge. Default: the client's.
   *
   * @example "websocket"
   */
  transport?: Transport;
  /**
   * Whether to go on over another connection when one breaks. Default: true. A
   * stream that follows then tries for as long as it is read, waiting up to ten
   * seconds between attempts, also before anything came, once the bridge has answered;
   * one that does not gives up after as many attempts in a row as `retries` allows that
   * brought nothing new. False makes the stream throw at the first break.
   *
   * @example false
   */
  reconnect?: boolean;
  /**
   * Is called whenever the stream's state changes, or the provider's reason for it; so
   * is {@link Stream.onState}'s. Default: none.
   *
   * @example (state, error) => show(error?.reason === "podStarting" ? "starting" : state)
   */
  onState?: StateListener;
}

/** Names a lease. */
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

/** Selects services of a lease; what is absent selects all. */
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
 * Who asks: a token that the tenant signed, a function that makes such tokens, or
 * the tenant's client certificate; never two of them, which providers refuse. It
 * goes only to methods of a lease, and only to a provider whose certificate has been
 * verified.
 *
 * ```ts
 * const auth = { type: "jwt", getToken: () => wallet.signToken() };
 * ```
 */
export type Auth = TokenAuth | TokenSourceAuth | CertificateAuth;

/**
 * A token (AEP-64): a JWT, signed with the owner's key as `ES256K` or `ES256KADR36`.
 * What is certain to be refused is not sent. The call then fails with the reason
 * `tokenInvalid`, `tokenExpired`, `tokenNotYetValid` (a clock is wrong: providers
 * allow for no difference) or `scopeMissing`. The first two dates are judged by the
 * page's clock with 30 seconds to spare; within those the provider decides.
 *
 * Name the provider in the token's `leases.permissions`: one of full access can be
 * used by a provider at any other. The console warns of the first such token.
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
 * Makes tokens when they are needed. The last one is used until 60 seconds before
 * it expires; then, and once for each call whose token the provider refused, the
 * function is asked again. Calls that share the function share its tokens, and wait
 * together while it works. Where it throws, the call fails as `UNAUTHENTICATED`.
 */
export interface TokenSourceAuth {
  type: "jwt";
  /** Makes a token, such as by asking the user's wallet to sign one. */
  getToken: () => string | Promise<string>;
  token?: never;
  certPem?: never;
  keyPem?: never;
}

/**
 * A client certificate that the owner has published on the chain, and its key. They
 * pass through the bridge, which keeps them no longer than the call. A provider that
 * serves a public authority's certificate asks for none: use a token there.
 */
export interface CertificateAuth {
  type: "mtls";
  /** The certificate, PEM. */
  certPem: string;
  /** Its private key, PEM, not encrypted. */
  keyPem: string;
  token?: never;
  getToken?: never;
}

/** What all calls about a lease have in common. */
export interface LeaseOptions extends CallOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * Which services. Default: all.
   *
   * @example { name: "web", replicas: [0] }
   */
  filter?: ServiceFilter;
  /**
   * Who asks. Default: none, which providers refuse.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** What status of which services to stream. */
export interface ServiceStatusOptions extends LeaseOptions, StreamOptions {
  /**
   * Whether to go on with every change. Default: false.
   *
   * @example true
   */
  follow?: boolean;
}

/** Which logs to stream. */
export interface LogOptions extends LeaseOptions, StreamOptions {
  /**
   * Whether to go on after the history. Default: false.
   *
   * @example true
   */
  follow?: boolean;
  /**
   * How many lines of history, where the provider can be told (over REST).
   * Default: all.
   *
   * @example 100
   */
  tail?: number;
  /**
   * Is called where lines of a replica may be missing after a connection broke,
   * before the lines that follow; so is {@link Stream.onGap}'s. Lines that come
   * again are recognised, so that this is rare: the log was rotated, its container or
   * pod was replaced, a line was too long for the provider's gateway, or with `tail: 0` the connection broke before its first line. A
   * container that began anew and at first says just what the last one said is taken
   * for it.
   * Default: none.
   *
   * @example ({ service, replica }) => mark(service, replica)
   */
  onGap?: (gap: LogGap) => void;
}

/** Which events to stream. */
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
   * Whether to go on after the events that are already there. Default: false. When the
   * stream goes on over another connection, a provider tells all of them again, without
   * ids or times: those with the same text are left out, each once. So an event that
   * happened again, word for word, while the connection was broken is not told.
   *
   * @example true
   */
  follow?: boolean;
  /**
   * Who asks. Default: none, which providers refuse. A token needs the scope
   * `events`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** Which manifest to get. */
export interface GetManifestOptions extends CallOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * Who asks. Default: none, which providers refuse. A token needs the scope
   * `get-manifest`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** What manifest to send, and for which deployment. */
export type SendManifestOptions = Omit<CallOptions, "retries"> & {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The groups, or their JSON; 1 MiB of JSON at most. */
  manifest: readonly ManifestGroup[] | readonly object[] | string;
  /**
   * Who asks. Default: none, which providers refuse. A token needs the scope
   * `send-manifest`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
  /**
   * How long the call may take, in milliseconds. Default: 150,000, for a provider may
   * take two minutes. It is never attempted twice.
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

/** A deployment that something is moved to. */
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

/** What both migrations have. */
interface MigrateOptions extends Omit<CallOptions, "retries"> {
  /** The provider's address, `akash1…`. Both deployments are with it. */
  provider: string;
  /** The deployment that gets them: it has an active lease with the provider. */
  destination: MigrateDestination;
}

/** Which hostnames to move, and where. */
export interface HostnameMigrateOptions extends MigrateOptions {
  /**
   * The hostnames, at least one. Each must be among the `hosts` of the destination's
   * manifest.
   *
   * @example ["www.example.com"]
   */
  hostnames: readonly string[];
  /**
   * Who asks, the owner of both deployments. Default: none, which providers refuse. A
   * token needs the scope `hostname-migrate`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** Which leased IP addresses to move, and where. */
export interface EndpointMigrateOptions extends MigrateOptions {
  /**
   * The names of the endpoints, at least one. Each must be the `ip` of an exposed port
   * in the destination's manifest.
   *
   * @example ["myendpoint"]
   */
  endpoints: readonly string[];
  /**
   * Who asks, the owner of both deployments. Default: none, which providers refuse. A
   * token needs the scope `ip-migrate`.
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

/** Which lease is to attest itself, and to what. */
export interface AttestationOptions extends CallOptions {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * 64 bytes that have never been used before, which the report must contain. Default:
   * random ones.
   *
   * @example crypto.getRandomValues(new Uint8Array(64))
   */
  nonce?: Uint8Array;
  /**
   * Whether the report is to contain the SHA-512 of the TLS key of the lease's
   * attestation service and the nonce, instead of the nonce. The client can check
   * that with {@link AttestationOptions.tlsPublicKey} only. Default: false.
   *
   * @example true
   */
  bindTls?: boolean;
  /**
   * The public key of the TLS certificate that the lease's attestation service shows to
   * those who connect to it directly: SubjectPublicKeyInfo, DER. With `bindTls` the
   * report is checked for it. Default: none, and the check is the page's.
   *
   * @example spki
   */
  tlsPublicKey?: Uint8Array;
  /**
   * Who asks. Default: none, which providers refuse. A token needs the scope
   * `attestation`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
}

/** What to restart. */
export interface RestartOptions extends LeaseOptions {
  /**
   * How long the provider waits for the services to come back, in milliseconds.
   * Default: the client's `timeoutMs`. Replicas that are not back by then are
   * `pending`. The call itself may take 10 seconds longer. It is never attempted
   * twice.
   *
   * @example 120_000
   */
  timeoutMs?: number;
}

/** In which container something is done. It is never attempted twice. */
export interface ContainerOptions extends Omit<CallOptions, "retries"> {
  /** The provider's address, `akash1…`. */
  provider: string;
  /** The lease. */
  lease: LeaseId;
  /**
   * The service that the container is of.
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
   * Who asks. Default: none, which providers refuse. A token needs the scope `shell`.
   *
   * @example { type: "jwt", token }
   */
  auth?: Auth;
  /**
   * How long it may take until the process runs, in milliseconds. Default: the
   * client's.
   *
   * @example 5_000
   */
  timeoutMs?: number;
}

/** What process to start. */
export interface ShellOptions extends ContainerOptions {
  /**
   * The program and its arguments, none of which may be empty: providers take the first
   * empty one for the end. No shell is between. Default: `["sh"]`.
   *
   * @example ["bash", "-l"]
   */
  command?: readonly string[];
  /**
   * Whether the process gets a terminal, so that it may be asked for its size, that
   * ctrl-C is a key, and that its errors come with its output. Default: true.
   *
   * @example false
   */
  tty?: boolean;
  /**
   * Whether the process gets a standard input. Without one its terminal has no size.
   * Default: true.
   *
   * @example false
   */
  stdin?: boolean;
  /**
   * The width of its terminal from the start, in characters. Default: none, which
   * programs take for 80.
   *
   * @example 120
   */
  columns?: number;
  /**
   * The height of its terminal from the start, in characters; only with `columns`.
   * Default: none, which programs take for 24.
   *
   * @example 40
   */
  rows?: number;
  /**
   * How often the bridge breaks the silence, in milliseconds; 0 or false for every 30
   * seconds, without a look whether it does. Default: the client's.
   *
   * @example 60_000
   */
  heartbeatMs?: number | false;
}

/** What command to run to its end. */
export interface ExecOptions extends ContainerOptions {
  /**
   * The program and its arguments, none of which may be empty. No shell is between: for
   * one, run `["sh", "-c", "…"]`.
   *
   * @example ["ls", "-l", "/data"]
   */
  command: readonly string[];
  /**
   * What the command reads, and then its end. The container needs `sh` and `head` for it.
   * Default: none.
   *
   * @example "select 1;"
   */
  stdin?: string | Uint8Array;
  /**
   * How long the command may take, in milliseconds; it is not known to have ended then.
   * Default: the client's.
   *
   * @example 60_000
   */
  timeoutMs?: number;
  /**
   * How much of its output is kept, in bytes, of both outputs together. Default:
   * 1,048,576. What is more is left out, which the result tells.
   *
   * @example 16_777_216
   */
  maxOutputBytes?: number;
  /**
   * What output comes as: text, in which what is not UTF-8 is replaced, or bytes.
   * Default: `"text"`.
   *
   * @example "bytes"
   */
  output?: "text" | "bytes";
}

/** What file to get. */
export interface DownloadOptions extends ContainerOptions {
  /**
   * Where it is in the container. No shell takes any of it for more than a name.
   *
   * @example "/var/log/app.log"
   */
  path: string;
  /**
   * Whether it is a directory, which comes as a tar archive of what is in it. Default:
   * false.
   *
   * @example true
   */
  directory?: boolean;
  /**
   * Is called as bytes arrive. Default: none.
   *
   * @example ({ transferred, total }) => { bar.value = total ? transferred / total : 0; }
   */
  onProgress?: (progress: FileProgress) => void;
}

/** What file to put into a container. */
export interface UploadOptions extends DownloadOptions {
  /**
   * Where it goes. A file that is there stays as it is until all has arrived, and is then
   * replaced. With `directory` it is a directory, made if it is not there, in which the
   * tar archive that `data` holds is unpacked.
   *
   * @example "/app/config.json"
   */
  path: string;
  /**
   * What is in it: a `File` or another `Blob`, bytes, text, or a stream of bytes with
   * `size`.
   *
   * @example input.files[0]
   */
  data: Blob | Uint8Array | string | ReadableStream<Uint8Array>;
  /**
   * How long a stream is, in bytes, which must be known: nothing else can end it.
   * Default: none; what is no stream says it itself.
   *
   * @example 1_048_576
   */
  size?: number;
  /**
   * Its mode, as `chmod` takes it. Default: as the container makes files.
   *
   * @example "755"
   */
  mode?: string;
}
