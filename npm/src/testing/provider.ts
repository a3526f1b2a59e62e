import { type Program, start } from "../../../web/program.mjs";
import type { CertificateAuth, TokenAuth } from "../options.js";
import { asyncDispose } from "../stream.js";
import type { ManifestGroup } from "../types.js";
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

/** What kind of provider to start, and with which bridge before it. */
export interface TestProviderOptions {
  /**
   * The provider's version, whose behaviour it has; several, separated by commas, go
   * round over `providers`. Default: `"0.16.0"`.
   *
   * @example "0.8.4"
   */
  version?: string;
  /**
   * What it serves for leases over gRPC: AEP-37's service; the SDK's of the same name,
   * with attestation only, as releases do, or in full; or nothing, so that leases go over
   * REST. Default: `"aep37"`.
   *
   * @example "none"
   */
  leaseRpc?: "aep37" | "sdk" | "sdk-full" | "none";
  /**
   * The trusted execution environment of the lease, which can attest itself then; from
   * version 0.15.0 on. Default: none.
   *
   * @example "snp"
   */
  tee?: "snp" | "tdx" | "snp-gpu" | "tdx-gpu";
  /**
   * How many providers there are, from 1. Default: 1.
   *
   * @example 5
   */
  providers?: number;
  /**
   * How many lines of log there are already, over all replicas together. Default: 1000.
   *
   * @example 100_000
   */
  logLines?: number;
  /**
   * How many lines a second come while somebody follows, over all replicas. Default: 0.
   *
   * @example 10
   */
  logRate?: number;
  /**
   * How long a line is, about, in bytes. Default: 120.
   *
   * @example 2_000
   */
  logBytes?: number;
  /**
   * Decides addresses, status and logs, which are the same for the same seed. Default: 1.
   *
   * @example 7
   */
  seed?: number;
  /**
   * What goes wrong from the beginning. Default: nothing.
   *
   * @example ["cert-expired"]
   */
  faults?: Fault[];
  /**
   * The origins whose pages may call the bridge. Default: pages on localhost, on any
   * port.
   *
   * @example ["https://app.example.com"]
   */
  allowOrigins?: string[];
  /**
   * Further flags of the testserver. `testserver --help` lists them. Default:
   * none.
   *
   * @example ["--ca"]
   */
  testserverArgs?: string[];
  /**
   * Further flags of the bridge. `akash-provider-bridge --help` lists them.
   * Default: none.
   *
   * @example ["--allow-insecure"]
   */
  bridgeArgs?: string[];
  /**
   * The directory of the programs, the bridge and the testserver. Default: the files
   * that the environment variables `AKASH_BRIDGE_BINARY` and `AKASH_TESTSERVER_BINARY`
   * name; or else those in the packages `akash-provider-bridge` and
   * `akash-provider-testserver`; or what is found on the `PATH`.
   *
   * @example "./bin"
   */
  bin?: string;
}

/** A lease that the provider has. */
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
  /** Where REST is served, host:port. */
  rest: string;
  /** Where gRPC is served, host:port; empty where the version has none. */
  grpc: string;
  version: string;
  lease: TestLease;
  /** The tenant's token for it. */
  jwt: string;
}

/** Everything that the testserver tells about itself. */
export interface TestserverReady {
  provider: string;
  hostUri: string;
  /** Where REST is served, host:port. */
  rest: string;
  /** Where gRPC is served, host:port; empty where the version has none. */
  grpc: string;
  /** The URL of the chain node's RPC. */
  chainRpc: string;
  /** The URL of the API for tests. */
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
  /** All providers, where there are several. */
  providers?: TestProviderInfo[];
}

/** Credentials, as the option `auth` of calls takes them. */
export interface TestAuth {
  /** The tenant's token for the provider, which is good for all that a tenant may do. */
  jwt: TokenAuth;
  /** A token of the tenant's that ended an hour ago. */
  expired: TokenAuth;
  /** The tenant's client certificate, which is on the chain. */
  mtls: CertificateAuth;
}

/** A bridge that runs. */
export interface TestBridge {
  /** What `createClient` takes as `bridgeUrl`. */
  readonly url: string;
  /** What it has written to stderr, the last 64 KB. */
  errors(): string;
  /** Ends it, and with it all streams that go through it. */
  stop(): Promise<void>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
  /** Ends it, for `await using`. */
  [asyncDispose](): Promise<void>;
}

/**
 * Starts a fake provider, a fake chain and a bridge before them, all on free ports
 * of this machine, and returns when they are ready. It runs in Node, and so does not
 * belong into a page.
 *
 * ```ts
 * await using akash = await startTestProvider({ logLines: 100, logRate: 10 });
 * const client = await createClient({ bridgeUrl: akash.bridgeUrl });
 * client.streamLogs({ provider: akash.provider, lease: akash.lease, auth: akash.auth.jwt });
 * ```
 *
 * Without `await using` (TypeScript 5.2) call {@link TestProvider.close}. Where this
 * process ends without that, the programs end with it.
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

/** A fake provider with its chain, and a bridge before it. {@link startTestProvider} makes one. */
export class TestProvider {
  /** The bridge before it. */
  readonly bridge: TestBridge;
  /** Credentials of the tenant's. */
  readonly auth: TestAuth;
  /** Everything that the testserver tells about itself. */
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

  /** The provider's address, the first one's where there are several. */
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

  /** The status that a provider serves, the first one's if none is named. */
  status(provider?: string): Promise<TestStatus> {
    return this.#api.get("/status", { provider });
  }

  /** Changes the status a little, or to the one given (protojson), over gRPC only. */
  setStatus(status?: object): Promise<void> {
    return this.#api.post("/status", {}, status && JSON.stringify(status));
  }

  /** What all replicas have written so far. */
  logs(): Promise<ReplicaLog[]> {
    return this.#api.get("/logs");
  }

  /** All that a replica has written so far. */
  log({ service, replica }: Replica): Promise<string> {
    return this.#api.text("/log", { service, replica });
  }

  /**
   * Has a replica write lines, which whoever follows gets at once.
   *
   * ```ts
   * await akash.write({ service: akash.services[0], replica: 0 }, "one\ntwo\n");
   * ```
   */
  write({ service, replica }: Replica, text: string): Promise<void> {
    return this.#api.post("/write", { service, replica }, text);
  }

  /** Ends the log of a replica, as its end does. */
  end({ service, replica }: Replica): Promise<void> {
    return this.#api.post("/end", { service, replica });
  }

  /**
   * Starts one more replica of a service, whose log cannot be read while its container
   * is being created: for a duration such as `"4s"`, or until {@link started}.
   */
  grow(service: string, starting?: string | true): Promise<TestPod> {
    return this.#api.post("/grow", { service, starting: starting && String(starting) });
  }

  /**
   * Puts a new pod in the place of a replica's.
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

  /** Ends the start of a replica's pod: its log can be read from now on. */
  started({ service, replica }: Replica): Promise<void> {
    return this.#api.post("/started", { service, replica });
  }

  /** Has the cluster warn of a service, which becomes an event of the lease. */
  warn(service: string, reason: string, note: string): Promise<void> {
    return this.#api.post("/event", { service, reason, note });
  }

  /** The calls that the provider got, counted. */
  streams(): Promise<StreamCounts> {
    return this.#api.get("/streams");
  }

  /** How many calls of a gRPC method or a REST route are open. */
  async open(method: string): Promise<number> {
    return (await this.streams()).open[method] ?? 0;
  }

  /** The requests that the provider got, in their order. */
  requests(): Promise<SeenRequest[]> {
    return this.#api.get("/requests");
  }

  /** Makes something go wrong from now on, at one provider or at all. */
  setFault(name: Fault, provider?: string): Promise<void> {
    return this.#api.post("/fault", { name, provider });
  }

  /** Ends what {@link setFault} began. */
  async clearFault(name: Fault, provider?: string): Promise<void> {
    await this.#api.send("DELETE", "/fault", { name: name.replace(/=.*/, ""), provider });
  }

  /** Has the provider serve another certificate, and the chain know of it what it should. */
  async setCertificate(kind: CertificateKind, provider?: string): Promise<void> {
    await this.#api.post("/certificate", { kind, provider });
  }

  /**
   * Has REST requests whose path ends in `path` be answered with a status and a body, as
   * a proxy before the provider may. {@link clearAnswer} ends it.
   *
   * ```ts
   * await akash.setAnswer("/manifest", 403, "hostname not allowed");
   * ```
   */
  setAnswer(path: string, status: number, body = ""): Promise<void> {
    return this.#api.post("/answer", { path, status: String(status) }, body);
  }

  /** Ends what {@link setAnswer} began. */
  async clearAnswer(path: string): Promise<void> {
    await this.#api.send("DELETE", "/answer", { path });
  }

  /** Closes every connection of the provider, once. */
  cut(): Promise<void> {
    return this.#api.post("/cut");
  }

  /** Ends the provider's process; {@link revive} starts it again. */
  crash(): Promise<void> {
    return this.#api.post("/crash");
  }

  /** Starts the provider's process again. */
  revive(): Promise<void> {
    return this.#api.post("/revive");
  }

  /** The manifest that the lease was ordered with. */
  manifest(): Promise<ManifestGroup[]> {
    return this.#api.get("/manifest");
  }

  /** Makes the chain expect a manifest, as an update of the deployment does. */
  expectManifest(manifest: readonly object[]): Promise<void> {
    return this.#api.post("/manifest", {}, JSON.stringify(manifest));
  }

  /** The hostnames and endpoints that were moved to the lease, in the order of the calls. */
  migrated(): Promise<{ hostnames: string[]; endpoints: string[] }> {
    return this.#api.get("/migrated");
  }

  /**
   * Makes a token, such as one that ends in a minute.
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

  /** Makes a client certificate of the tenant, or of an account that has no lease. */
  async clientCertificate(
    kind: ClientCertificateKind = "valid",
    of: "tenant" | "stranger" = "tenant",
  ): Promise<CertificateAuth> {
    return { type: "mtls", ...(await this.#api.post<Pem>("/client-certificate", { kind, of })) };
  }

  /**
   * Starts another bridge before the same provider, with further flags. It ends with
   * this provider, if not before.
   */
  async startBridge(...args: string[]): Promise<TestBridge> {
    const bridge = await startBridge(this.ready.chainRpc, {
      ...this.#options,
      bridgeArgs: [...(this.#options.bridgeArgs ?? []), ...args],
    });
    this.#bridges.push(bridge);
    return bridge;
  }

  /** What the programs have written to stderr, for the report of a test that failed. */
  errors(): string {
    return `--- testserver\n${this.#program.errors()}\n--- bridge\n${this.bridge.errors()}`;
  }

  /** Ends the bridges, the provider and the chain. */
  async close(): Promise<void> {
    await Promise.all(this.#bridges.map((bridge) => bridge.stop()));
    await this.#program.stop();
  }

  /** Ends them, too, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }
}
