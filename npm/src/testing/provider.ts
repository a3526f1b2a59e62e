import { type Program, start } from "../../../web/program.mjs";
import { asyncDispose } from "../dispose.js";
import type { CertificateAuth, TokenAuth } from "../options.js";
import type { LeaseState, ManifestGroup } from "../types.js";
import {
  type CertificateKind,
  type ClientCertificateKind,
  Control,
  type Fault,
  type ReplaceOptions,
  type Replica,
  type ReplicaLog,
  type SeenRequest,
  type StreamCounts,
  type TestPod,
  type TestStatus,
  type TokenOptions,
} from "./control.js";
import { findProgram } from "./programs.js";

/** The options of {@link startTestProvider}. */
export interface TestProviderOptions {
  /**
   * The provider's version, which determines its behaviour. Several versions, separated by
   * commas, are assigned to `providers` in turn. Default: `"0.16.0"`.
   *
   * @example "0.8.4"
   */
  version?: string;
  /**
   * The gRPC service for leases: AEP-37's, the SDK's of the same name, or none, so that
   * calls about leases use REST. Default: `"aep37"`.
   *
   * @example "none"
   */
  leaseRpc?: "aep37" | "sdk" | "sdk-full" | "none";
  /**
   * The trusted execution environment of the lease, which can then attest itself; requires
   * version 0.15.0 or later. Default: none.
   *
   * @example "snp"
   */
  tee?: "snp" | "tdx" | "snp-gpu" | "tdx-gpu";
  /**
   * The number of providers, at least 1. Default: 1.
   *
   * @example 5
   */
  providers?: number;
  /**
   * The number of existing log lines of all replicas together. Default: 1000.
   *
   * @example 100_000
   */
  logLines?: number;
  /**
   * The number of new log lines per second of all replicas together, while a log is
   * followed. Default: 0.
   *
   * @example 10
   */
  logRate?: number;
  /**
   * The approximate length of a log line, in bytes. Default: 120.
   *
   * @example 2_000
   */
  logBytes?: number;
  /**
   * The seed of addresses, status and logs, which are the same for the same seed. Default:
   * 1.
   *
   * @example 7
   */
  seed?: number;
  /**
   * The faults that are set from the start. Default: none.
   *
   * @example ["cert-expired"]
   */
  faults?: Fault[];
  /**
   * Whether `shell`, `exec`, `uploadFile` and `downloadFile` run real programs of this
   * machine, as the user of this process and in an empty folder for each replica. They are
   * **not confined** to that folder. Default: false; every command then fails with `command
   * execution failed`.
   *
   * @example true
   */
  shell?: boolean;
  /**
   * The origins whose pages may call the bridge. Default: pages on localhost, on any
   * port.
   *
   * @example ["https://app.example.com"]
   */
  allowOrigins?: string[];
  /**
   * Additional flags of the testserver, see `testserver --help`. Default: none.
   *
   * @example ["--ca"]
   */
  testserverArgs?: string[];
  /**
   * Additional flags of the bridge, see `akash-provider-bridge --help`. Default: none.
   *
   * @example ["--allow-insecure"]
   */
  bridgeArgs?: string[];
  /**
   * The directory of both programs, the bridge and the testserver. Default: the paths in
   * the environment variables `AKASH_BRIDGE_BINARY` and `AKASH_TESTSERVER_BINARY`; or the
   * packages `akash-provider-bridge` and `akash-provider-testserver`; or the `PATH`.
   *
   * @example "./bin"
   */
  bin?: string;
}

/** A lease of the tenant at the provider. */
export interface TestLease {
  /** The tenant's address. */
  owner: string;
  dseq: number;
  gseq: number;
  oseq: number;
  /** The provider's address. */
  provider: string;
}

/** One provider of several. */
export interface TestProviderInfo {
  /** Its address. */
  provider: string;
  hostUri: string;
  /** The address of its REST port, host:port. */
  rest: string;
  /** The address of its gRPC port, host:port; empty if the version has none. */
  grpc: string;
  version: string;
  lease: TestLease;
  /** The tenant's token for this provider. */
  jwt: string;
}

/** What the testserver prints when it is ready. */
export interface TestserverReady {
  provider: string;
  hostUri: string;
  /** The address of its REST port, host:port. */
  rest: string;
  /** The address of its gRPC port, host:port; empty if the version has none. */
  grpc: string;
  /** The URL of the chain node's RPC. */
  chainRpc: string;
  /** The URL of the control API. */
  control: string;
  lease: TestLease;
  /** The names of the lease's services. */
  services: [string, ...string[]];
  jwt: string;
  expiredJwt: string;
  clientCertFile: string;
  clientKeyFile: string;
  /** The SHA-256 of the provider's certificate, in hex. */
  certSha256: string;
  /** All providers, if there are several. */
  providers?: TestProviderInfo[];
}

/** Credentials for the option `auth` of calls. */
export interface TestAuth {
  /** The tenant's token for the provider, with all scopes. */
  jwt: TokenAuth;
  /** A token of the tenant that expired an hour ago. */
  expired: TokenAuth;
  /** The tenant's client certificate, which is on the chain. */
  mtls: CertificateAuth;
}

/** A running bridge. */
export interface TestBridge {
  /** The `bridgeUrl` for `createClient`. */
  readonly url: string;
  /** Its output to stderr, at most the last 64 KB. */
  errors(): string;
  /** Stops the bridge and all streams through it. */
  stop(): Promise<void>;
  /** Kills the bridge, as a crash would. */
  kill(): Promise<void>;
  /** Stops the bridge, for `await using`. */
  [asyncDispose](): Promise<void>;
}

/**
 * Starts a fake provider, a fake chain and a bridge in front of them, on free ports of this
 * machine, and returns when they are ready. It requires Node, so it cannot be used in a
 * page.
 *
 * ```ts
 * await using akash = await startTestProvider({ logLines: 100, logRate: 10 });
 * const client = await createClient({ bridgeUrl: akash.bridgeUrl });
 * client.streamLogs({ provider: akash.provider, lease: akash.lease, auth: akash.auth.jwt
 * });
 * ```
 *
 * Without `await using` (TypeScript 5.2), call {@link TestProvider.close}. The programs
 * also end when this process does.
 */
export async function startTestProvider(options: TestProviderOptions = {}): Promise<TestProvider> {
  const testserver = await start(
    await findProgram("akash-provider-testserver", options.bin),
    testserverArgs(options),
    { quiet: true },
  );
  try {
    const { control, chainRpc } = testserver.ready as TestserverReady;
    const api = new Control(control);
    const [mtls, bridge] = await Promise.all([
      api.post<Pem>("/client-certificate"),
      startBridge(chainRpc, options),
    ]);
    return new TestProvider(testserver, api, mtls, bridge, options);
  } catch (error) {
    await testserver.stop();
    throw error;
  }
}

/** A certificate and its key. */
type Pem = Pick<CertificateAuth, "certPem" | "keyPem">;

function testserverArgs(options: TestProviderOptions): string[] {
  const flags: Record<string, string | number | undefined> = {
    "--provider-version": options.version,
    "--lease-rpc": options.leaseRpc,
    "--tee": options.tee,
    "--providers": options.providers,
    "--log-lines": options.logLines,
    "--log-rate": options.logRate,
    "--log-bytes": options.logBytes,
    "--seed": options.seed,
  };
  const args = Object.entries(flags).flatMap(([flag, value]) =>
    value === undefined ? [] : [flag, `${value}`],
  );
  if (options.shell) args.push("--shell");
  const faults = (options.faults ?? []).flatMap((fault) => ["--fault", fault]);
  return [...args, ...faults, ...(options.testserverArgs ?? [])];
}

async function startBridge(chainRpc: string, options: TestProviderOptions): Promise<TestBridge> {
  const origins = (options.allowOrigins ?? []).flatMap((origin) => ["--allow-origin", origin]);
  const program = await start(
    await findProgram("akash-provider-bridge", options.bin),
    [
      ...["--listen", "127.0.0.1:0", "--chain-rpc", chainRpc, "--allow-private-networks"],
      ...origins,
      ...(options.bridgeArgs ?? []),
    ],
    { quiet: true },
  );
  const { errors, stop, kill } = program;
  return { url: program.ready.url, errors, stop, kill, [asyncDispose]: stop };
}

/** A fake provider with its chain and a bridge, created by {@link startTestProvider}. */
export class TestProvider {
  /** The bridge in front of it. */
  readonly bridge: TestBridge;
  /** The tenant's credentials. */
  readonly auth: TestAuth;
  /** What the testserver prints when it is ready. */
  readonly ready: Readonly<TestserverReady>;
  readonly #program: Program;
  readonly #api: Control;
  readonly #options: TestProviderOptions;
  readonly #bridges: TestBridge[];

  /** @internal */
  constructor(
    program: Program,
    api: Control,
    mtls: Pem,
    bridge: TestBridge,
    options: TestProviderOptions,
  ) {
    this.#program = program;
    this.#api = api;
    this.#options = options;
    this.#bridges = [bridge];
    this.bridge = bridge;
    this.ready = program.ready;
    this.auth = {
      jwt: { type: "jwt", token: this.ready.jwt },
      expired: { type: "jwt", token: this.ready.expiredJwt },
      mtls: { type: "mtls", ...mtls },
    };
  }

  /** The bridge's URL, for `createClient`. */
  get bridgeUrl(): string {
    return this.bridge.url;
  }

  /** The provider's address, or the first one's if there are several. */
  get provider(): string {
    return this.ready.provider;
  }

  /** A lease of the tenant's at the provider. */
  get lease(): TestLease {
    return this.ready.lease;
  }

  /** The names of the lease's services. */
  get services(): [string, ...string[]] {
    return this.ready.services;
  }

  /** All providers. */
  get providers(): TestProviderInfo[] {
    const { provider, hostUri, rest, grpc, lease, jwt, providers } = this.ready;
    const version = this.#options.version ?? "0.16.0";
    return providers ?? [{ provider, hostUri, rest, grpc, version, lease, jwt }];
  }

  /** The status of the given provider, or of the first one. */
  status(provider?: string): Promise<TestStatus> {
    return this.#api.get("/status", { provider });
  }

  /** Changes the status slightly, or to the given one (protojson). Over gRPC only. */
  setStatus(status?: object): Promise<void> {
    return this.#api.post("/status", {}, status && JSON.stringify(status));
  }

  /** The logs of all replicas so far. */
  logs(): Promise<ReplicaLog[]> {
    return this.#api.get("/logs");
  }

  /** The log of a replica so far. */
  log({ service, replica }: Replica): Promise<string> {
    return this.#api.text("/log", { service, replica });
  }

  /**
   * Appends lines to the log of a replica. Followers receive them at once.
   *
   * ```ts
   * await akash.write({ service: akash.services[0], replica: 0 }, "one\ntwo\n");
   * ```
   */
  write({ service, replica }: Replica, text: string): Promise<void> {
    return this.#api.post("/write", { service, replica }, text);
  }

  /** Ends the log of a replica, as the end of its container would. */
  end({ service, replica }: Replica): Promise<void> {
    return this.#api.post("/end", { service, replica });
  }

  /**
   * Adds a replica to a service. While its container is being created, for a duration such
   * as `"4s"` or until {@link started}, its log cannot be read.
   */
  grow(service: string, starting?: string | true): Promise<TestPod> {
    return this.#api.post("/grow", { service, starting: starting && String(starting) });
  }

  /**
   * Replaces the pod of a replica by a new one.
   *
   * ```ts
   * await akash.replace({ service: "web", replica: 0 }, { update: true, last: "bye\n" });
   * ```
   */
  replace({ service, replica }: Replica, how: ReplaceOptions = {}): Promise<TestPod> {
    const { update, dip, starting, last } = how;
    const query = {
      service,
      replica,
      update: update && "true",
      dip,
      starting: starting && String(starting),
    };
    return this.#api.post("/replace", query, last);
  }

  /** Completes the start of a replica's pod, so that its log can be read. */
  started({ service, replica }: Replica): Promise<void> {
    return this.#api.post("/started", { service, replica });
  }

  /** Adds a warning about a service, which becomes an event of the lease. */
  warn(service: string, reason: string, note: string): Promise<void> {
    return this.#api.post("/event", { service, reason, note });
  }

  /** The numbers of calls that the provider received. */
  streams(): Promise<StreamCounts> {
    return this.#api.get("/streams");
  }

  /** The number of open calls of a gRPC method or a REST route. */
  async open(method: string): Promise<number> {
    return (await this.streams()).open[method] ?? 0;
  }

  /** The requests that the provider received, in order. */
  requests(): Promise<SeenRequest[]> {
    return this.#api.get("/requests");
  }

  /** The number of running processes of `shell` and `exec`, with the option `shell`. */
  async processes(): Promise<number> {
    return (await this.#api.get<{ running: number }>("/shells")).running;
  }

  /**
   * Sets the state of the lease on the chain or, with `dseq`, records that of `count` other
   * leases of the tenant, with consecutive numbers. What the provider runs stays as it is.
   */
  setLease(lease: { state?: LeaseState; dseq?: number; count?: number }): Promise<void> {
    return this.#api.post("/lease", lease);
  }

  /** Sets a fault, at one provider or at all. */
  setFault(name: Fault, provider?: string): Promise<void> {
    return this.#api.post("/fault", { name, provider });
  }

  /** Removes a fault that {@link setFault} set. */
  async clearFault(name: Fault, provider?: string): Promise<void> {
    await this.#api.send("DELETE", "/fault", { name: name.replace(/=.*/, ""), provider });
  }

  /**
   * Makes the provider serve a new certificate of the given kind, with the matching state
   * on the chain.
   */
  async setCertificate(kind: CertificateKind, provider?: string): Promise<void> {
    await this.#api.post("/certificate", { kind, provider });
  }

  /**
   * Makes REST requests whose path ends in `path` get the given status and body, as from a
   * proxy in front of the provider, until {@link clearAnswer}.
   *
   * ```ts
   * await akash.setAnswer("/manifest", 403, "hostname not allowed");
   * ```
   */
  setAnswer(path: string, status: number, body = ""): Promise<void> {
    return this.#api.post("/answer", { path, status: String(status) }, body);
  }

  /** Removes an answer that {@link setAnswer} set. */
  async clearAnswer(path: string): Promise<void> {
    await this.#api.send("DELETE", "/answer", { path });
  }

  /** Closes every connection of the provider, once. */
  cut(): Promise<void> {
    return this.#api.post("/cut");
  }

  /** Kills the provider's process. {@link revive} starts it again. */
  crash(): Promise<void> {
    return this.#api.post("/crash");
  }

  /** Starts the provider's process again. */
  revive(): Promise<void> {
    return this.#api.post("/revive");
  }

  /** The manifest of the lease's order. */
  manifest(): Promise<ManifestGroup[]> {
    return this.#api.get("/manifest");
  }

  /** Makes the chain expect a manifest, as after an update of the deployment. */
  expectManifest(manifest: readonly object[]): Promise<void> {
    return this.#api.post("/manifest", {}, JSON.stringify(manifest));
  }

  /** The hostnames and endpoints that were moved to the lease, in order. */
  migrated(): Promise<{ hostnames: string[]; endpoints: string[] }> {
    return this.#api.get("/migrated");
  }

  /**
   * Creates a token, for example one that expires in a minute.
   *
   * ```ts
   * const token = await akash.token({ life: "1m" });
   * ```
   */
  async token({ claims, ...query }: TokenOptions = {}): Promise<string> {
    const { token } = await this.#api.post<{ token: string }>(
      "/token",
      query,
      claims && JSON.stringify(claims),
    );
    return token;
  }

  /**
   * Signs a text with the tenant's key on secp256k1, as a wallet does. Returns r and s in
   * base64.
   */
  async sign(text: string): Promise<string> {
    return (await this.#api.send("POST", "/sign", {}, text)).text();
  }

  /** Creates a client certificate of the tenant, or of an account without a lease. */
  async clientCertificate(
    kind: ClientCertificateKind = "valid",
    of: "tenant" | "stranger" = "tenant",
  ): Promise<CertificateAuth> {
    return { type: "mtls", ...(await this.#api.post<Pem>("/client-certificate", { kind, of })) };
  }

  /**
   * Starts another bridge in front of the same provider, with additional flags. It is
   * stopped with this provider at the latest.
   */
  async startBridge(...args: string[]): Promise<TestBridge> {
    const bridge = await startBridge(this.ready.chainRpc, {
      ...this.#options,
      bridgeArgs: [...(this.#options.bridgeArgs ?? []), ...args],
    });
    this.#bridges.push(bridge);
    return bridge;
  }

  /** The programs' output to stderr, for the report of a failed test. */
  errors(): string {
    return `--- testserver\n${this.#program.errors()}\n--- bridge\n${this.bridge.errors()}`;
  }

  /** Stops the bridges, the provider and the chain. */
  async close(): Promise<void> {
    await Promise.all(this.#bridges.map((bridge) => bridge.stop()));
    await this.#program.stop();
  }

  /** Stops everything, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }
}
