import { type RawQuote, readQuote } from "./attestation.js";
import { kind, maxTimeout, readCount } from "./checks.js";
import { asyncDispose } from "./dispose.js";
import { jsonItems, logEntries, type ShellPiece, shellPieces } from "./engine/batch-items.js";
import type {
  CallMethod,
  Engine,
  EngineCall,
  EngineStream,
  ReadBatch,
  Stop,
  StreamMethod,
} from "./engine/engine.js";
import { givenModule, loadModule, type ModuleSource } from "./engine/loader.js";
import { WasmEngine } from "./engine/wasm-engine.js";
import { asProviderError, ProviderError } from "./errors.js";
import { type RawSnapshot, readSnapshot } from "./inventory.js";
import { type RawLeases, readLeases } from "./leases.js";
import type {
  AttestationOptions,
  CallOptions,
  ClientOptions,
  CommittedInventoryOptions,
  DiscoverOptions,
  DownloadOptions,
  EndpointMigrateOptions,
  ExecOptions,
  GetManifestOptions,
  HostnameMigrateOptions,
  InventoryOptions,
  LeaseEventOptions,
  ListLeasesOptions,
  ListProvidersOptions,
  LogOptions,
  RestartOptions,
  SendManifestOptions,
  ServiceStatusOptions,
  ShellOptions,
  StreamOptions,
  UploadOptions,
} from "./options.js";
import {
  collect,
  type ExecOutput,
  lacksHead,
  missingTool,
  textOf,
  withInput,
} from "./shell/exec.js";
import {
  download,
  dropCommand,
  type FileDownload,
  type FileSummary,
  readScript,
  upload,
  writeScript,
} from "./shell/files.js";
import { joinCommand } from "./shell/messages.js";
import { fileWindow, outputWindow, Shell } from "./shell/shell.js";
import { Stream } from "./stream.js";
import { mixedContent } from "./transport/diagnosis.js";
import { maxCalls, usesWebSocket } from "./transport/transport.js";
import type {
  AttestationQuote,
  CallResult,
  InventorySnapshot,
  LeaseEvent,
  LeaseList,
  LogEntry,
  ManifestGroup,
  ProviderList,
  ProviderStatus,
  RestartStatus,
  Route,
  ServiceStatus,
} from "./types.js";
import {
  readAttestationCall,
  readCall,
  readClientOptions,
  readData,
  readEventCall,
  readFile,
  readInventoryCall,
  readLeaseCall,
  readLeaseList,
  readManifestCall,
  readMigrateCall,
  readProviderList,
  readShellCall,
  type Settings,
  unusable,
} from "./validation.js";
import { maxWarm, warm } from "./warm.js";
import { WorkerEngine } from "./worker/worker-engine.js";
import type { WorkerScript } from "./worker/worker-link.js";

/** How long the removal of what an upload has left may take, in milliseconds. */
const dropTimeout = 10_000;

/** How much longer than the provider's timeout a restart may take, in milliseconds. */
const restartGrace = 10_000;

/** The result of one provider's status call. */
export type DiscoverResult = CallResult<ProviderStatus> & {
  /** The provider's address. */
  provider: string;
  /** How long the call took, retries included, in milliseconds. */
  tookMs: number;
};

/**
 * Calls providers through a bridge. Create one with {@link createClient} and use it
 * for all providers.
 *
 * Unary calls never throw, except for a TypeError if an argument has the wrong type:
 * they return `{ status: "success", … }` or `{ status: "error", error, … }`. Streams
 * throw a {@link ProviderError}.
 */
export class Client {
  readonly #engine: Engine;
  readonly #settings: Settings;
  /** The open calls and streams: for each, the function that ends it. */
  readonly #open = new Set<(error: ProviderError) => void>();
  #closed = false;

  /** @internal */
  constructor(engine: Engine, settings: Settings) {
    this.#engine = engine;
    this.#settings = settings;
  }

  /**
   * Gets a provider's status.
   *
   * ```ts
   * const result = await client.getProviderStatus("akash1…", { timeoutMs: 5_000 });
   * if (result.status === "success") result.response.cluster?.leases?.active;
   * else console.error(result.error.message);
   * ```
   */
  async getProviderStatus(
    address: string,
    options: CallOptions = {},
  ): Promise<CallResult<ProviderStatus>> {
    return this.#call("getProviderStatus", readCall(this.#settings, address, options), options);
  }

  /**
   * Streams a provider's status: the current one, and a new one after every change.
   * If the connection ends, even if the provider ended it, the stream opens another
   * one. The stream ends only when it is left, or with an error that retrying would
   * not resolve.
   */
  streamProviderStatus(address: string, options: StreamOptions = {}): Stream<ProviderStatus> {
    return this.#stream(
      "streamProviderStatus",
      readCall(this.#settings, address, options),
      options,
      (batch) => jsonItems(batch) as ProviderStatus[],
    );
  }

  /**
   * Gets the status of many providers and yields each result as it arrives.
   *
   * ```ts
   * for await (const { provider, status } of client.discoverProviders(addresses)) …
   * ```
   */
  discoverProviders(
    addresses: Iterable<string>,
    options: DiscoverOptions = {},
  ): AsyncGenerator<DiscoverResult, undefined> {
    const { concurrency = 200 } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw new TypeError(`concurrency must be a whole number from 1, not ${concurrency}`);
    }
    const list = [...addresses];
    const { bridge, transport } = this.#settings;
    const calls = list.map((address) => ({
      ...readCall(this.#settings, address, options),
      transport,
    }));
    const most = usesWebSocket(bridge, transport) ? Math.min(concurrency, maxCalls) : concurrency;
    return this.#discover(calls, most, options);
  }

  /**
   * Lists all providers from the chain, as {@link Client.listLeases} does leases. `trust` of
   * the result says how it is known that none is missing, which no node can prove.
   *
   * ```ts
   * const { response, error } = await client.listProviders();
   * if (error) throw error;
   * for await (const { provider, status } of client.discoverProviders(response.providers)) …
   * ```
   */
  async listProviders(options: ListProvidersOptions = {}): Promise<CallResult<ProviderList>> {
    return this.#call("listProviders", readProviderList(this.#settings, options), options);
  }

  /**
   * Lists the leases of an account from the chain, the newest first. The bridge asks its
   * nodes of the chain; no provider is asked and no credential is needed, since everything
   * on a chain is public.
   *
   * ```ts
   * const { response, error } = await client.listLeases({ owner: "akash1…" });
   * if (error) throw error;
   * for (const { lease, price, denom } of response.leases) …
   * ```
   *
   * `trust` of the result says how each lease is known, and `completeness` how it is known
   * that none is missing.
   */
  async listLeases(options: ListLeasesOptions): Promise<CallResult<LeaseList>> {
    const call = readLeaseList(this.#settings, options);
    return this.#read("listLeases", call, options, async (raw: RawLeases) => readLeases(raw));
  }

  async *#discover(
    calls: EngineCall[],
    concurrency: number,
    options: DiscoverOptions,
  ): AsyncGenerator<DiscoverResult, undefined> {
    const stop = new AbortController();
    const { signal } = stop;
    const abort = () => stop.abort(options.signal?.reason);
    options.signal?.addEventListener("abort", abort);
    if (options.signal?.aborted) abort();
    const asked = new Map<string, Promise<[string, DiscoverResult]>>();
    try {
      for (let next = 0; next < calls.length || asked.size > 0; ) {
        for (; next < calls.length && asked.size < concurrency; next++) {
          const call = calls[next] as EngineCall;
          const { provider } = call;
          const key = `${next}`;
          const start = performance.now();
          asked.set(
            key,
            this.#call<ProviderStatus>("getProviderStatus", call, { signal }).then((result) => [
              key,
              { provider, tookMs: performance.now() - start, ...result },
            ]),
          );
        }
        const [key, result] = await Promise.race(asked.values());
        asked.delete(key);
        yield result;
      }
      return undefined;
    } finally {
      options.signal?.removeEventListener("abort", abort);
      stop.abort();
    }
  }

  /**
   * Has the bridge look up providers on the chain and connect to them, so that it can
   * answer the first call to each without that. It resolves when this has been done, or has
   * failed: a call says why. At most 100 providers; the providers are asked for no more
   * than their versions. It does not wait for the module.
   *
   * ```ts
   * client.warm(["akash1…"]); // while the page fetches what it needs for the call
   * ```
   */
  async warm(addresses: Iterable<string>, options: CallOptions = {}): Promise<void> {
    const calls = [...addresses].map((address) => readCall(this.#settings, address, options));
    if (calls.length > maxWarm) {
      throw new TypeError(
        `at most ${maxWarm} providers can be warmed at once, not ${calls.length}`,
      );
    }
    const usable = calls.filter((call) => !this.#refusal(call, options.signal));
    const { done, stop } = warm(usable);
    const first = usable[0];
    if (!first) return;
    const release = this.#watch(stop, first, options.signal);
    await done.finally(release);
  }

  /**
   * Streams the logs of a lease's services, line by line, in order for each replica.
   * If the connection breaks, the stream continues on another one: no line is
   * repeated and none is lost. Where that is not certain, {@link Stream.onGap}
   * reports it.
   *
   * ```ts
   * for await (const { service, replica, message } of client.streamLogs({
   *   provider: "akash1…",
   *   lease: { owner: "akash1…", dseq: 1234n },
   *   follow: true,
   *   auth: { type: "jwt", token },
   * })) console.log(`${service}/${replica}: ${message}`);
   * ```
   */
  streamLogs(options: LogOptions): Stream<LogEntry> {
    const call = readLeaseCall(this.#settings, options);
    return this.#stream("streamLogs", call, options, logEntries);
  }

  /**
   * Streams the status of a lease's services. Each item has all services. With
   * `follow`, a new item arrives after every change.
   */
  streamServiceStatus(options: ServiceStatusOptions): Stream<ServiceStatus[]> {
    const call = readLeaseCall(this.#settings, options);
    return this.#stream("streamServiceStatus", call, options, (batch) =>
      (jsonItems(batch) as { services: ServiceStatus[] }[]).map(({ services }) => services),
    );
  }

  /**
   * Streams the events of a lease, for example that an image was pulled or a
   * container started, beginning with the oldest that the cluster still has. Like
   * all streams, it continues on another connection if one breaks.
   *
   * ```ts
   * for await (const { reason, note } of client.streamLeaseEvents({ provider, lease, auth })) …
   * ```
   */
  streamLeaseEvents(options: LeaseEventOptions): Stream<LeaseEvent> {
    const call = readEventCall(this.#settings, options);
    return this.#stream(
      "streamLeaseEvents",
      call,
      options,
      (batch) => jsonItems(batch) as LeaseEvent[],
    );
  }

  /**
   * Sends a deployment's manifest to the provider, which checks it against the
   * deployment on the chain and starts its services.
   *
   * ```ts
   * const result = await client.sendManifest({ provider, dseq: 1234n, manifest: groups, auth });
   * if (result.status === "error" && result.error.reason === "manifestRefused")
   *   show(result.error.message); // the provider's message
   * ```
   *
   * The manifest is sent once, or again if the provider refuses the token of a
   * `getToken`, which it does before reading the manifest. If the answer is lost,
   * the error's reason is `outcomeUnknown`: the manifest may be in effect, so check
   * the lease's status before sending it again. A manifest that the provider refuses
   * ends in `INVALID_ARGUMENT`.
   */
  async sendManifest(options: SendManifestOptions): Promise<CallResult<Record<string, never>>> {
    return this.#call("sendManifest", readManifestCall(this.#settings, options), options);
  }

  /** Gets the manifest of a lease from the provider: the lease's group. */
  async getManifest(options: GetManifestOptions): Promise<CallResult<ManifestGroup[]>> {
    const call = readLeaseCall(this.#settings, options);
    const result = await this.#call<{ manifest: string }>("getManifest", call, options);
    if (result.status === "error") return result;
    return { ...result, response: JSON.parse(result.response.manifest) };
  }

  /**
   * Moves hostnames from the tenant's other deployments at the provider to a
   * deployment whose manifest has them. Returns the moved hostnames, which are all
   * of them on success.
   *
   * ```ts
   * await client.hostnameMigrate({
   *   provider, hostnames: ["www.example.com"], destination: { dseq: 1234n }, auth,
   * });
   * ```
   *
   * The request is sent once. If the answer is lost, the error's reason is
   * `outcomeUnknown`. Sending the same request again is safe.
   */
  async hostnameMigrate(options: HostnameMigrateOptions): Promise<CallResult<string[]>> {
    return this.#migrate("hostnameMigrate", options, "hostnames");
  }

  /**
   * Moves leased IP addresses, which manifests call endpoints, to a deployment, like
   * {@link Client.hostnameMigrate} moves hostnames.
   *
   * ```ts
   * await client.endpointMigrate({
   *   provider, endpoints: ["myendpoint"], destination: { dseq: 1234n }, auth,
   * });
   * ```
   */
  async endpointMigrate(options: EndpointMigrateOptions): Promise<CallResult<string[]>> {
    return this.#migrate("endpointMigrate", options, "endpoints");
  }

  /**
   * Gets evidence from a lease that it runs in a trusted execution environment, and checks
   * that the report is for the nonce that was sent. The page has to verify the rest: the
   * report's signature, its certificates, and the measurements in it (`docs/attestation.md`
   * of the package).
   *
   * ```ts
   * const { response, error } = await client.attestationQuote({ provider, lease, auth });
   * if (error) throw error;
   * await verify(response.report, response.teePlatform); // the page's own
   * ```
   *
   * The error is `UNIMPLEMENTED` for a provider before v0.15.0, and `FAILED_PRECONDITION`
   * for a lease without a trusted execution environment. If the report is for another
   * nonce, its reason is `nonceMismatch`.
   */
  async attestationQuote(options: AttestationOptions): Promise<CallResult<AttestationQuote>> {
    const { call, request } = readAttestationCall(this.#settings, options);
    return this.#read("attestationQuote", call, options, (raw: RawQuote) =>
      readQuote(raw, request),
    );
  }

  /**
   * Asks a provider for its inventory as of now, signed for a nonce (AEP-86). Only
   * pre-releases of providers have it so far; the others are `UNIMPLEMENTED`. No
   * credential is needed.
   *
   * ```ts
   * const { response, error } = await client.inventorySnapshot({ provider: "akash1…" });
   * if (error) throw error;
   * await verify(response.payload, response.signature); // the page's own, with the account's key
   * ```
   *
   * That the snapshot names the provider and contains the nonce is checked, its signature
   * is not.
   */
  async inventorySnapshot(options: InventoryOptions): Promise<CallResult<InventorySnapshot>> {
    return this.#inventory("inventorySnapshot", options, false);
  }

  /**
   * Asks a provider for the inventory whose hash it has posted on the chain: the latest,
   * or that of `hash`, as {@link Client.inventorySnapshot} does.
   */
  async committedInventorySnapshot(
    options: CommittedInventoryOptions,
  ): Promise<CallResult<InventorySnapshot>> {
    return this.#inventory("committedInventorySnapshot", options, true);
  }

  async #inventory(
    method: CallMethod,
    options: InventoryOptions & CommittedInventoryOptions,
    committed: boolean,
  ): Promise<CallResult<InventorySnapshot>> {
    const { call, bytes } = readInventoryCall(this.#settings, options, committed);
    const [nonce, hash] = committed ? [undefined, bytes] : [bytes, undefined];
    return this.#read(method, call, options, (raw: RawSnapshot) =>
      readSnapshot(raw, options.provider, nonce, hash),
    );
  }

  /** read makes a call whose answer is read, or refused by throwing a ProviderError. */
  async #read<Raw, T>(
    method: CallMethod,
    call: EngineCall,
    options: CallOptions,
    read: (raw: Raw) => Promise<T>,
  ): Promise<CallResult<T>> {
    const result = await this.#call<Raw>(method, call, options);
    if (result.status === "error") return result;
    const { response, ...rest } = result;
    try {
      return { ...rest, response: await read(response) };
    } catch (error) {
      return { ...rest, status: "error", error: asProviderError(error, call.provider) };
    }
  }

  async #migrate<Name extends "hostnames" | "endpoints">(
    method: CallMethod,
    options: Record<Name, readonly string[]> & Omit<HostnameMigrateOptions, "hostnames">,
    name: Name,
  ): Promise<CallResult<string[]>> {
    const call = readMigrateCall(this.#settings, options, name);
    const result = await this.#call<{ transferred: string[] }>(method, call, options);
    if (result.status === "error") return result;
    return { ...result, response: result.response.transferred };
  }

  /**
   * Restarts services of a lease and returns the result for each replica. Providers
   * without AEP-37, which includes all releases so far, cannot do this:
   * `UNIMPLEMENTED`. The request is sent once. If the answer is lost, the error's
   * reason is `outcomeUnknown`.
   */
  async restartServices(options: RestartOptions): Promise<CallResult<RestartStatus[]>> {
    const call = readLeaseCall(this.#settings, options);
    call.restartTimeout = call.timeout || maxTimeout;
    // The provider answers after its own timeout, and the answer takes time to
    // arrive.
    call.timeout = Math.min(call.restartTimeout + restartGrace, maxTimeout);
    const result = await this.#call<{ status: RestartStatus[] }>("restartServices", call, options);
    return result.status === "success" ? { ...result, response: result.response.status } : result;
  }

  /**
   * Starts a process in a container, with a terminal where nothing else is said: what
   * {@link Shell} describes.
   *
   * ```ts
   * const shell = client.shell({ provider, lease, service: "web", auth });
   * ```
   */
  shell(options: ShellOptions): Shell {
    const { command = ["sh"], tty = true, stdin = true, columns, rows } = options ?? {};
    const process = { command, tty, stdin, window: outputWindow };
    const call = readShellCall(this.#settings, options, process);
    call.transport = "duplex";
    const shell = this.#shell(call, options.signal);
    if (columns !== undefined && rows !== undefined) shell.resize(columns, rows);
    return shell;
  }

  /**
   * Runs a command in a container and returns its output and exit code when it has ended.
   *
   * ```ts
   * const result = await client.exec({ provider, lease, service: "web", command: ["ls", "/data"], auth });
   * if (result.status === "success") console.log(result.response.exitCode, result.response.stdout);
   * ```
   *
   * A command that fails is a success here, with an exit code other than 0. After a timeout, or if the
   * connection breaks (the reason is `shellBroken`), the command may still be running: providers cannot end
   * it. It is not retried.
   */
  exec(options: ExecOptions & { output: "bytes" }): Promise<CallResult<ExecOutput<Uint8Array>>>;
  exec(options: ExecOptions & { output?: "text" }): Promise<CallResult<ExecOutput>>;
  exec(options: ExecOptions): Promise<CallResult<ExecOutput<string | Uint8Array>>>;
  async exec(options: ExecOptions): Promise<CallResult<ExecOutput<string | Uint8Array>>> {
    const { command, stdin, output, maxOutputBytes, signal } = options ?? {};
    const input = readInput(stdin);
    const most = readCount("maxOutputBytes", maxOutputBytes, 2 ** 30) ?? 2 ** 20;
    if (output !== undefined && output !== "text" && output !== "bytes") {
      throw new TypeError(`output must be "text" or "bytes", not ${JSON.stringify(output)}`);
    }
    const call = readShellCall(this.#settings, options, {
      command,
      tty: false,
      stdin: input !== undefined,
      window: input ? outputWindow : 0,
    });
    if (input) {
      readShellCall(this.#settings, options, { command, tty: false, stdin: true, window: 0 });
      call.command = joinCommand(withInput(input.length, command));
    }
    // Where nothing follows the request, it goes the way of other calls.
    call.transport = input ? "duplex" : this.#settings.transport;
    return this.#run(call, signal, async (shell) => {
      const late = call.timeout > 0 && setTimeout(() => shell.stop(outOfTime(call)), call.timeout);
      try {
        if (input)
          void shell.stdin
            .getWriter()
            .write(input)
            .catch(() => {});
        const collected = await collect(shell, most);
        if (input && lacksHead(collected)) {
          throw missingTool(call.provider, "head", "exec with stdin");
        }
        const { exitCode, stdout, stderr, truncated } = collected;
        if (output === "bytes") return { exitCode, stdout, stderr, truncated };
        const text = (bytes: Uint8Array) => textOf(bytes, truncated);
        return { exitCode, stdout: text(stdout), stderr: text(stderr), truncated };
      } catch (cause) {
        const error = asProviderError(cause, call.provider);
        if (!input || error.reason !== "commandNotFound") throw error;
        throw missingTool(call.provider, "sh", "exec with stdin");
      } finally {
        if (late) clearTimeout(late);
      }
    });
  }

  /**
   * Reads a file in a container or, with `directory`, the content of a directory as a tar
   * archive.
   *
   * ```ts
   * const result = await client.downloadFile({ provider, lease, service: "web", path:
   * "/data/db.sqlite", auth });
   * if (result.status === "success") await result.response.stream.pipeTo(file);
   * ```
   *
   * The container needs `sh`, `head`, `cat` and `wc`, or `tar`. If one is missing, the
   * error's reason is `toolMissing`. If it has `sha256sum`, both sides compute the SHA-256,
   * and the stream fails if they differ.
   */
  async downloadFile(options: DownloadOptions): Promise<CallResult<FileDownload>> {
    readFile(options);
    const { path, directory = false, onProgress, provider, signal } = options;
    const { command, word } = readScript(path, directory);
    const process = { command, tty: false, stdin: false, window: fileWindow };
    const call = readShellCall(this.#settings, options, process);
    call.transport = "duplex";
    const transfer = { provider, path, directory, onProgress };
    return this.#run(call, signal, (shell) => download(shell, word, transfer), true);
  }

  /**
   * Writes a file in a container or, with `directory`, unpacks a tar archive there.
   * Existing files are not changed until all data has arrived and, if the container has
   * `sha256sum`, has been verified.
   *
   * ```ts
   * await client.uploadFile({ provider, lease, service: "web", path: "/app/config.json",
   * data: "{}", auth });
   * ```
   *
   * The container needs `sh`, `head`, `wc`, `mv` and `rm`, or `tar` and `mkdir`. If one is
   * missing, the error's reason is `toolMissing`. The data is first written to a file beside
   * the target, whose name ends with `.part`. If the upload fails, the client removes it,
   * unless it cannot reach the container any more.
   */
  async uploadFile(options: UploadOptions): Promise<CallResult<FileSummary>> {
    readFile(options);
    const [data, size] = readData(options);
    const { path, directory = false, onProgress, provider, signal, mode } = options;
    const { command, word } = writeScript(path, size, mode, directory);
    const process = { command, tty: false, stdin: true, window: outputWindow };
    const call = readShellCall(this.#settings, options, process);
    call.transport = "duplex";
    const transfer = { provider, path, directory, onProgress };
    return this.#run(call, signal, (shell) =>
      upload(shell, word, transfer, data, size, (pid) => {
        const { signal: _, ...rest } = options;
        this.#drop(rest, dropCommand(word, path, directory, pid)).catch(() => {});
      }),
    );
  }

  /** drop removes what an interrupted upload has left, if it can. */
  async #drop(options: UploadOptions, command: string[]): Promise<void> {
    const call = readShellCall(this.#settings, options, {
      command,
      tty: false,
      stdin: false,
      window: 0,
    });
    call.transport = this.#settings.transport;
    await this.#run(call, undefined, async (shell) => {
      const late = setTimeout(() => shell.close(), dropTimeout);
      try {
        await collect(shell, 0);
      } finally {
        clearTimeout(late);
      }
    });
  }

  /** shell opens a shell. */
  #shell(call: EngineCall, signal: AbortSignal | undefined, onRoute = (_: Route) => {}): Shell {
    const early = this.#refusal(call, signal);
    const events = { state() {}, gap() {}, route: onRoute };
    const stream = early
      ? refused<ShellPiece>(early)
      : this.#engine.open("shell", call, shellPieces, events);
    const shell: Shell = new Shell(stream, call, () => release());
    const release = early ? () => {} : this.#watch((error) => shell.stop(error), call, signal);
    return shell;
  }

  /** run calls a function with a new shell, and returns its result as a CallResult. */
  async #run<T>(
    call: EngineCall,
    signal: AbortSignal | undefined,
    work: (shell: Shell) => Promise<T>,
    stays = false,
  ): Promise<CallResult<T>> {
    let route: Route = {};
    const shell = this.#shell(call, signal, (found) => {
      route = found;
    });
    try {
      const response = await work(shell);
      return { status: "success", response, attempts: 1, ...route };
    } catch (cause) {
      if (cause instanceof TypeError) throw cause;
      const error = asProviderError(cause, call.provider);
      return { status: "error", error, attempts: error.attempts ?? 1, ...route };
    } finally {
      if (!stays) shell.close();
    }
  }

  /**
   * Ends all open calls and streams of this client and returns their number. Also
   * ends the worker, if no other client uses it. The client can still be used
   * afterwards.
   */
  async cleanupConnections(): Promise<{ status: "success"; closedChannels: number }> {
    const open = [...this.#open];
    const message = "the client's connections were cleaned up";
    for (const end of open) end(new ProviderError({ code: "CANCELLED", message }));
    await this.#engine.release();
    return { status: "success", closedChannels: open.length };
  }

  /** Ends all open calls and streams, and closes the client: later calls fail. */
  async [asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.cleanupConnections();
  }

  async #call<T>(
    method: CallMethod,
    call: EngineCall,
    { signal }: CallOptions,
  ): Promise<CallResult<T>> {
    const stop: Stop = {};
    const early = this.#refusal(call, signal);
    if (early) return { status: "error", error: early, attempts: 0 };
    const release = this.#watch((error) => stop.now?.(error), call, signal);
    try {
      return (await this.#engine.call(method, call, stop)) as CallResult<T>;
    } finally {
      release();
    }
  }

  #stream<T>(
    method: StreamMethod,
    call: EngineCall,
    { signal, transport, onState, onGap }: StreamOptions & Pick<LogOptions, "onGap">,
    read: ReadBatch<T>,
  ): Stream<T> {
    call.transport = transport ?? this.#settings.transport;
    const stream: Stream<T> = new Stream(() => {
      const early = this.#refusal(call, signal);
      if (early) throw early;
      stream.onEnd(this.#watch((error) => stream.stop(error), call, signal));
      return this.#engine.open(method, call, read, events);
    });
    const events = stream.events;
    if (onState) stream.onState(onState);
    if (onGap) stream.onGap(onGap);
    return stream;
  }

  /** refusal returns the error for new calls if the client is closed, or undefined. */
  #refusal(call: EngineCall, signal: AbortSignal | undefined): ProviderError | undefined {
    if (this.#closed) {
      return new ProviderError({
        code: "FAILED_PRECONDITION",
        message: "the client has been disposed of: create another one",
        provider: call.provider,
      });
    }
    if (signal?.aborted) return aborted(signal, call.provider);
    return unusable(call);
  }

  /**
   * watch arranges for end to be called when the signal is aborted or the client is closed.
   * The returned function cancels that.
   */
  #watch(
    end: (error: ProviderError) => void,
    { provider }: EngineCall,
    signal: AbortSignal | undefined,
  ): () => void {
    const onAbort = () => end(aborted(signal as AbortSignal, provider));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#open.add(end);
    return () => {
      signal?.removeEventListener("abort", onAbort);
      this.#open.delete(end);
    };
  }
}

/** refused is a stream that cannot begin. */
function refused<T>(error: ProviderError): EngineStream<T> {
  return { read: () => Promise.reject(error), send() {}, hurry() {}, close() {} };
}

/** outOfTime makes the error of a command that took too long. */
function outOfTime({ provider, timeout }: EngineCall): ProviderError {
  return new ProviderError({
    code: "DEADLINE_EXCEEDED",
    message: `provider ${provider}: the command did not end within ${timeout} ms; it may still run`,
    provider,
  });
}

/** readInput checks what a command is to read, and returns it as bytes. */
function readInput(stdin: unknown): Uint8Array | undefined {
  if (stdin === undefined || stdin instanceof Uint8Array) return stdin;
  if (typeof stdin === "string") return new TextEncoder().encode(stdin);
  throw new TypeError(`stdin must be a string or a Uint8Array, not ${kind(stdin)}`);
}

/** aborted returns the error of a call whose signal was aborted. */
function aborted({ reason }: AbortSignal, provider: string): ProviderError {
  const late = reason?.name === "TimeoutError";
  return new ProviderError({
    code: late ? "DEADLINE_EXCEEDED" : "CANCELLED",
    message: `${provider && `provider ${provider}: `}${late ? "the call's signal timed out" : "the call was cancelled"}`,
    provider,
    cause: reason,
  });
}

/** The URLs of an entry's module and worker. */
export interface Source extends ModuleSource {
  worker(): WorkerScript;
}

/**
 * @internal createClientFrom creates a client whose files are those of source, unless the
 * options name others.
 */
export async function createClientFrom(options: ClientOptions, source: Source): Promise<Client> {
  const settings = readClientOptions(options);
  const mixed = mixedContent(settings.bridge);
  if (mixed) console.warn(`akash-provider-web: ${mixed}`);
  const { wasmModule, wasmUrl, onProgress, worker, workerUrl } = options;
  const page = globalThis.location?.href;
  // In Next.js, the URL of a file beside this one is a path.
  const absolute = (url: URL) => (page ? new URL(`${url}`, page) : url);
  const url = () => (wasmUrl ? new URL(wasmUrl, page) : absolute(source.url()));
  const given = wasmModule === undefined ? undefined : givenModule(wasmModule);
  const { found } = given ? { found: Promise.resolve() } : loadModule(url(), source, onProgress);
  const load = () => given ?? loadModule(url(), source).module;
  if (!worker) {
    await found;
    return new Client(new WasmEngine(load), settings);
  }
  const own = source.worker();
  const script: WorkerScript = workerUrl
    ? { url: new URL(workerUrl, page), type: "module" }
    : { ...own, url: absolute(own.url) };
  return new Client(await WorkerEngine.start(script, load, found), settings);
}
