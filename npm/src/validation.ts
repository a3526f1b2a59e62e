// Checks the arguments of the public API, and converts them to the engine's form.
import { nonceSize, type QuoteRequest, toBase64 } from "./attestation.js";
import {
  kind,
  readCount,
  readHeartbeat,
  readTimeout,
  readTransport,
  readUint64,
  requireFlag,
  requireFunction,
  requireObject,
  requireSignal,
  requireText,
} from "./checks.js";
import type { EngineCall } from "./engine/engine.js";
import { type ErrorDetails, ProviderError } from "./errors.js";
import { snapshotSize } from "./inventory.js";
import { knownCallOptions, knownClientOptions, knownFilter } from "./known.js";
import type {
  AttestationOptions,
  ClientOptions,
  CommittedInventoryOptions,
  ContainerOptions,
  DownloadOptions,
  HostnameMigrateOptions,
  InventoryOptions,
  LeaseEventOptions,
  LeaseOptions,
  ListLeasesOptions,
  ListProvidersOptions,
  LogOptions,
  SendManifestOptions,
  ShellOptions,
  StreamOptions,
  UploadOptions,
} from "./options.js";
import { isPlaceholder } from "./placeholder.js";
import { joinCommand } from "./shell/messages.js";
import { tokensOf } from "./token.js";
import { readTraceparent } from "./traceparent.js";
import type { Transport } from "./transport/transport.js";
import type { LeaseState } from "./types.js";

/** A client's own settings, checked and complete. */
export interface Settings {
  bridge: string;
  bridgeKey?: string | (() => string) | undefined;
  traceparent?: (() => string | undefined) | undefined;
  timeoutMs: number;
  retries: number;
  heartbeat: number;
  transport: Transport;
}

/** readClientOptions checks a client's options and fills in the defaults. */
export function readClientOptions(options: ClientOptions): Settings {
  requireObject("options", options);
  knownClientOptions(options);
  requireFlag("worker", options.worker);
  requireFunction("onProgress", options.onProgress);
  requireFunction("traceparent", options.traceparent);
  if (typeof options.bridgeKey !== "function") readBridgeKey(options.bridgeKey);
  return {
    bridge: readBridgeUrl(options.bridgeUrl),
    bridgeKey: options.bridgeKey,
    traceparent: options.traceparent,
    timeoutMs: readTimeout(options.timeoutMs) ?? 30_000,
    retries: readCount("retries", options.retries, 100) ?? 3,
    heartbeat: readHeartbeat(options.heartbeatMs) ?? 8_000,
    transport: readTransport(options.transport) ?? "auto",
  };
}

/** readBridgeKey returns the key for a call. Its errors never contain it. */
function readBridgeKey(bridgeKey: string | (() => string) | undefined): string | undefined {
  if (bridgeKey === undefined) return undefined;
  const key = typeof bridgeKey === "function" ? bridgeKey() : bridgeKey;
  requireText("bridgeKey", key);
  return key;
}

function readBridgeUrl(bridgeUrl: unknown): string {
  if (bridgeUrl !== undefined && typeof bridgeUrl !== "string" && !(bridgeUrl instanceof URL)) {
    throw new TypeError(`bridgeUrl must be a string or a URL, not ${kind(bridgeUrl)}`);
  }
  const text = `${bridgeUrl ?? "/"}`;
  if (isPlaceholder(text)) {
    throw new TypeError(
      `bridgeUrl is the placeholder ${JSON.stringify(text)}: put the URL of a bridge in its place`,
    );
  }
  // Only a text that begins like a path is relative to the page: "localhost:8080" is meant
  // to be a host.
  const relative = /^\.{0,2}\//.test(text);
  if (!relative && !/^https?:\/\//i.test(text)) {
    throw new TypeError(`bridgeUrl must begin with http:// or https://${meantUrl(text)}`);
  }
  const page = pageUrl();
  if (relative && page === undefined) {
    throw new TypeError(
      `bridgeUrl is required outside a web page that a server has served${bridgeUrl === undefined ? "" : `, and must begin with http:// or https://, not be ${JSON.stringify(text)}`}`,
    );
  }
  try {
    const url = new URL(text, page);
    return url.origin + url.pathname.replace(/\/+$/, "");
  } catch {
    throw new TypeError(`bridgeUrl is not a URL: ${JSON.stringify(text)}`);
  }
}

/**
 * pageUrl returns the URL that others are relative to, or undefined if there is no page
 * over http.
 */
function pageUrl(): string | undefined {
  const { href = "", origin = "" } = globalThis.location ?? {};
  if (/^https?:/.test(href)) return href;
  // A worker's script may be a blob.
  return /^https?:/.test(origin) ? `${origin}/` : undefined;
}

/** meantUrl returns the part of the error that suggests a URL for an invalid one. */
function meantUrl(text: string): string {
  if (text === "") return ", and is empty";
  const given = `, not be ${JSON.stringify(text)}`;
  if (!/^[\w.-]+(:\d+)?(\/.*)?$/.test(text)) return given;
  const near = /^(localhost|127\.)/.test(text);
  return `${given}: did you mean "${near ? "http" : "https"}://${text}"?`;
}

/** readCall checks the options of a call to a provider. */
export function readCall(
  settings: Settings,
  provider: unknown,
  options: StreamOptions = {},
): EngineCall {
  const call = readCallOptions(settings, options);
  requireText("provider", provider);
  call.provider = provider;
  return call;
}

/** readCallOptions checks the options of a call that no provider answers. */
function readCallOptions(settings: Settings, options: StreamOptions): EngineCall {
  requireObject("options", options);
  knownCallOptions(options);
  requireFlag("insecure", options.insecure);
  requireFlag("checkVersion", options.checkVersion);
  requireFlag("reconnect", options.reconnect);
  readTransport(options.transport);
  requireFunction("onState", options.onState);
  requireFunction("onGap", (options as LogOptions).onGap);
  requireSignal(options.signal);
  const timeout = readTimeout(options.timeoutMs) ?? settings.timeoutMs;
  return {
    bridge: settings.bridge,
    bridgeKey: readBridgeKey(settings.bridgeKey),
    traceparent: readTraceparent(settings.traceparent),
    provider: "",
    transport: "fetch",
    timeout: timeout === Number.POSITIVE_INFINITY ? 0 : timeout,
    retries: readCount("retries", options.retries, 100) ?? settings.retries,
    heartbeat: readHeartbeat(options.heartbeatMs) ?? settings.heartbeat,
    reconnect: options.reconnect ?? true,
    insecure: options.insecure ?? false,
    skipVersion: options.checkVersion === false,
  };
}

/** readLeaseCall checks the options of a call about a lease. */
export function readLeaseCall(
  settings: Settings,
  options: LeaseOptions & { follow?: boolean; tail?: number },
): EngineCall {
  requireObject("options", options);
  const { lease, filter = {}, provider } = options;
  const call = readCall(settings, provider, options);
  requireObject("lease", lease);
  requireText("lease.owner", lease.owner);
  if (lease.provider !== undefined) requireText("lease.provider", lease.provider);
  call.owner = lease.owner;
  call.dseq = readUint64("lease.dseq", lease.dseq);
  call.gseq = readCount("lease.gseq", lease.gseq) ?? 1;
  call.oseq = readCount("lease.oseq", lease.oseq) ?? 1;
  call.bseq = readCount("lease.bseq", lease.bseq) ?? 0;
  call.leaseProvider = lease.provider ?? provider;

  requireObject("filter", filter);
  knownFilter(filter);
  if (filter.name !== undefined) {
    requireText("filter.name", filter.name);
    call.service = filter.name;
  }
  if (filter.replicas !== undefined) {
    if (!Array.isArray(filter.replicas)) {
      throw new TypeError(`filter.replicas must be an array, not ${kind(filter.replicas)}`);
    }
    call.replicas = filter.replicas.map((replica) => {
      const index = readCount("filter.replicas", replica);
      if (index === undefined) throw new TypeError("filter.replicas must hold numbers");
      return index;
    });
  }
  requireFlag("follow", options.follow);
  call.follow = options.follow ?? false;
  const tail = readCount("tail", options.tail);
  if (tail !== undefined) call.tail = tail;
  readAuth(call, options.auth);
  return call;
}

/** readShellCall checks the options of a call that starts a process. */
export function readShellCall(
  settings: Settings,
  options: ContainerOptions & Pick<ShellOptions, "heartbeatMs">,
  { command, tty, stdin, window }: Process,
): EngineCall {
  requireObject("options", options);
  const { service, replica, columns, rows } = options as ShellOptions;
  requireText("service", service);
  requireFlag("tty", tty);
  requireFlag("stdin", stdin);
  const index = readCount("replica", replica, 2 ** 31 - 1) ?? 0;
  const call = readLeaseCall(settings, {
    ...options,
    filter: { name: service, replicas: [index] },
  });
  if ((columns === undefined) !== (rows === undefined)) {
    throw new TypeError("columns and rows are only of use together");
  }
  call.command = joinCommand(readCommand(command));
  call.tty = tty;
  call.stdin = stdin;
  call.window = window;
  call.reconnect = false;
  call.retries = 0;
  return call;
}

/** What process a call starts. */
export interface Process {
  command: unknown;
  tty: boolean;
  stdin: boolean;
  window: number;
}

function readCommand(command: unknown): string[] {
  if (!Array.isArray(command) || command.length === 0) {
    throw new TypeError(
      `command must be an array of a program and its arguments, not ${Array.isArray(command) ? "an empty one" : kind(command)}`,
    );
  }
  for (const [i, part] of command.entries()) {
    requireText(`command[${i}]`, part);
    if (part.includes("\0")) throw new TypeError(`command[${i}] must not have a NUL character`);
  }
  return command;
}

/** readFile checks the options about a file. */
export function readFile(options: DownloadOptions): void {
  requireObject("options", options);
  requireText("path", options.path);
  if (options.path.includes("\0")) throw new TypeError("path must not have a NUL character");
  requireFlag("directory", options.directory);
  requireFunction("onProgress", options.onProgress);
}

/** readData checks what is uploaded, and returns it as a stream, and its length. */
export function readData({
  data,
  size,
  mode,
}: UploadOptions): [data: ReadableStream<Uint8Array>, size: number] {
  if (mode !== undefined) requireText("mode", mode);
  if (data instanceof ReadableStream) {
    const length = readCount("size", size, Number.MAX_SAFE_INTEGER);
    if (length === undefined) throw new TypeError("data that is a stream needs its size");
    return [data, length];
  }
  if (size !== undefined) throw new TypeError("size is only for data that is a stream");
  if (typeof data !== "string" && !(data instanceof Uint8Array) && !(data instanceof Blob)) {
    throw new TypeError(
      `data must be a Blob, a Uint8Array, a string or a ReadableStream, not ${kind(data)}`,
    );
  }
  const blob = data instanceof Blob ? data : new Blob([data as Uint8Array<ArrayBuffer> | string]);
  return [blob.stream(), blob.size];
}

/** readEventCall checks the options of a call for events. */
export function readEventCall(settings: Settings, options: LeaseEventOptions): EngineCall {
  requireObject("options", options);
  if (options.service !== undefined) requireText("service", options.service);
  return readLeaseCall(settings, {
    ...options,
    filter: options.service === undefined ? {} : { name: options.service },
  });
}

/**
 * The default time limit of sendManifest, in milliseconds: a provider waits for two
 * minutes.
 */
const manifestTimeout = 150_000;

/** readManifestCall checks the options of a call that sends a manifest. */
export function readManifestCall(settings: Settings, options: SendManifestOptions): EngineCall {
  requireObject("options", options);
  const { provider, dseq, lease, manifest } = options;
  const call = lease
    ? readLeaseCall(settings, { ...options, lease })
    : readCall(settings, provider, options);
  if (!lease) {
    call.dseq = readUint64("dseq", dseq);
    call.leaseProvider = provider;
    readAuth(call, options.auth);
  } else if (dseq !== undefined) {
    throw new TypeError("lease and dseq exclude each other");
  }
  if (options.timeoutMs === undefined) call.timeout = manifestTimeout;
  call.manifest = readManifest(manifest);
  return call;
}

/**
 * readMigrateCall checks the options of a migration. name is the option with the names to
 * move.
 */
export function readMigrateCall<Name extends "hostnames" | "endpoints">(
  settings: Settings,
  options: Record<Name, readonly string[]> & Omit<HostnameMigrateOptions, "hostnames">,
  name: Name,
): EngineCall {
  requireObject("options", options);
  const { provider, destination, auth } = options;
  const call = readCall(settings, provider, options);
  requireObject("destination", destination);
  call.dseq = readUint64("destination.dseq", destination.dseq);
  call.gseq = readCount("destination.gseq", destination.gseq) ?? 1;
  call.leaseProvider = provider;
  const names: unknown = options[name];
  if (!Array.isArray(names) || names.length === 0) {
    throw new TypeError(`${name} must be an array of at least one string`);
  }
  for (const one of names) {
    requireText(name, one);
    if (one.includes(",")) throw new TypeError(`${name} must have no commas in them`);
  }
  call.names = names;
  readAuth(call, auth);
  return call;
}

/** readInventoryCall checks the options of a call for an inventory. */
export function readInventoryCall(
  settings: Settings,
  options: InventoryOptions & CommittedInventoryOptions,
  committed: boolean,
): { call: EngineCall; bytes: Uint8Array | undefined } {
  requireObject("options", options);
  const call = readCall(settings, options.provider, options);
  const bytes = committed
    ? options.hash
    : (options.nonce ?? crypto.getRandomValues(new Uint8Array(snapshotSize)));
  if (bytes !== undefined) {
    if (!(bytes instanceof Uint8Array) || bytes.length !== snapshotSize) {
      const name = committed ? "hash" : "nonce";
      throw new TypeError(`${name} must be a Uint8Array of ${snapshotSize} bytes`);
    }
    call.names = [Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")];
  }
  return { call, bytes };
}

/** readProviderList checks the options of a call for all providers. */
export function readProviderList(settings: Settings, options: ListProvidersOptions): EngineCall {
  return readCallOptions(settings, options);
}

/** The states of leases that can be asked for. */
const leaseStates: Record<LeaseState | "any", true> = {
  active: true,
  insufficient_funds: true,
  closed: true,
  reclaiming: true,
  any: true,
};

/** readLeaseList checks the options of a call for an account's leases. */
export function readLeaseList(settings: Settings, options: ListLeasesOptions): EngineCall {
  requireObject("options", options);
  const { owner, state = "active" } = options;
  requireText("owner", owner);
  if (!Object.hasOwn(leaseStates, state)) {
    const all = Object.keys(leaseStates).map((name) => `"${name}"`);
    throw new TypeError(`state must be ${all.slice(0, -1).join(", ")} or ${all.at(-1)}`);
  }
  const call = readCallOptions(settings, options);
  call.owner = owner;
  call.names = state === "any" ? [] : [state];
  return call;
}

/** readAttestationCall checks the options of a call for an attestation. */
export function readAttestationCall(
  settings: Settings,
  options: AttestationOptions,
): { call: EngineCall; request: QuoteRequest } {
  const call = readLeaseCall(settings, options);
  const { provider, tlsPublicKey } = options;
  const nonce = options.nonce ?? crypto.getRandomValues(new Uint8Array(nonceSize));
  if (!(nonce instanceof Uint8Array) || nonce.length !== nonceSize) {
    throw new TypeError(`nonce must be a Uint8Array of ${nonceSize} bytes`);
  }
  requireFlag("bindTls", options.bindTls);
  const bindTls = options.bindTls ?? false;
  if (tlsPublicKey !== undefined) {
    if (!(tlsPublicKey instanceof Uint8Array)) {
      throw new TypeError(`tlsPublicKey must be a Uint8Array, not ${kind(tlsPublicKey)}`);
    }
    if (!bindTls) throw new TypeError("tlsPublicKey requires bindTls: true");
    if (!globalThis.crypto?.subtle) {
      throw new TypeError(
        "tlsPublicKey requires crypto.subtle, which browsers provide only for pages over HTTPS or on localhost",
      );
    }
  }
  call.names = [toBase64(nonce)];
  call.follow = bindTls;
  return { call, request: { provider, nonce, bindTls, tlsPublicKey } };
}

function readManifest(manifest: unknown): string {
  let groups = manifest;
  if (typeof manifest === "string") {
    try {
      groups = JSON.parse(manifest);
    } catch {
      throw new TypeError("manifest is not JSON");
    }
  }
  if (!Array.isArray(groups)) throw new TypeError("manifest must be an array of groups");
  return typeof manifest === "string" ? manifest : JSON.stringify(manifest);
}

function readAuth(call: EngineCall, auth: unknown): void {
  if (auth === undefined) return;
  requireObject("auth", auth);
  const { type, token, getToken, certPem, keyPem } = auth as Record<string, unknown>;
  const given = [token ?? getToken, certPem ?? keyPem].filter((value) => value !== undefined);
  if (given.length > 1 || (token !== undefined && getToken !== undefined)) {
    throw new TypeError("auth must hold one of token, getToken, and certPem with keyPem");
  }
  if (type === "jwt" && typeof getToken === "function") {
    call.getToken = tokensOf(getToken as () => string);
  } else if (type === "jwt") {
    requireText("auth.token", token);
    call.token = token;
  } else if (type === "mtls") {
    requireText("auth.certPem", certPem);
    requireText("auth.keyPem", keyPem);
    call.certPem = certPem;
    call.keyPem = keyPem;
  } else {
    throw new TypeError('auth.type must be "jwt" or "mtls"');
  }
}

/**
 * unusable returns the error of a call whose values have the right types but cannot be
 * valid, such as an example's "akash1…", or undefined.
 */
export function unusable(call: EngineCall): ProviderError | undefined {
  const { provider } = call;
  const refused = (details: Pick<ErrorDetails, "code" | "reason" | "message">) =>
    new ProviderError({ ...details, provider });
  const addresses = { provider, "lease.provider": call.leaseProvider, "lease.owner": call.owner };
  for (const [name, address] of Object.entries(addresses)) {
    if (address === undefined) continue;
    const placeholder = isPlaceholder(address);
    if (!placeholder && /^[!-~]*$/.test(address)) continue;
    const whose = name === "lease.owner" ? "the tenant's" : "a provider's";
    const text = JSON.stringify(address.length > 80 ? `${address.slice(0, 80)}…` : address);
    return refused({
      code: "INVALID_ARGUMENT",
      reason: "malformedAddress",
      message: placeholder
        ? `${name} is the placeholder ${text}: put ${whose} address in its place`
        : `${name} is ${text}, which is not an Akash address: one has letters and digits only`,
    });
  }
  const { token, certPem, keyPem } = call;
  for (const [name, secret] of Object.entries({ token, certPem, keyPem })) {
    if (secret === undefined || !isPlaceholder(secret)) continue;
    return refused({
      code: "UNAUTHENTICATED",
      reason: name === "token" ? "tokenInvalid" : "credentialMissing",
      message: `auth.${name} is a placeholder: put ${name === "token" ? "a token that the tenant has signed" : "the tenant's own"} in its place`,
    });
  }
  return undefined;
}
