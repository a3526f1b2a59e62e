import { isPlaceholder } from "../placeholder.js";
import { type GetToken, tokensOf } from "../token.js";
import { readTraceparent } from "../traceparent.js";
import { diagnose } from "../transport/diagnosis.js";
import { noRedirect } from "../transport/redirect.js";
import {
  codeOf,
  codeOfHttp,
  TransportError,
  type TransportErrorClass,
  TransportErrorCode,
  withReason,
} from "./error.js";
import { decodeStatusMessage, encodeMessage, FrameReader } from "./grpc-web.js";
import type { CallOptions, MethodDesc, StreamResponse, Transport, UnaryResponse } from "./types.js";

/** The caller's credentials for calls about leases. No other call gets them. */
export type Authentication =
  | {
      type: "jwt";
      /** A token that the tenant has signed. */
      token: string;
    }
  | {
      type: "jwt";
      /** Creates a token. It is called when there is none, or the last expires or was refused. */
      getToken: GetToken;
    }
  | {
      type: "mtls";
      /** A client certificate, PEM. */
      cert: string;
      /** Its private key, PEM. */
      key: string;
    };

/** Options of {@link createProviderWebTransport}. */
export interface ProviderWebTransportOptions {
  /** The URL of the bridge, such as `https://bridge.example.com`. Not with `baseUrl`. */
  bridgeUrl?: string | URL | undefined;
  /** The address of the provider. Not with `baseUrl`. */
  provider?: string | undefined;
  /** The two above in one, `https://bridge.example.com/akash1…`. */
  baseUrl?: string | URL | undefined;
  /**
   * The key, or the ID token, with which the bridge lets its callers in, if its operator
   * restricts them. It does not go to providers. Default: none.
   */
  bridgeKey?: string | (() => string) | undefined;
  /**
   * A function that is called for each call, and returns the `traceparent` that the bridge
   * continues (https://www.w3.org/TR/trace-context/#traceparent-header), or undefined for
   * none. Default: none.
   */
  traceparent?: (() => string | undefined) | undefined;
  /** The credentials for calls about leases. Default: none. */
  authentication?: Authentication | undefined;
  /**
   * The class of errors: give the SDK's `SDKError` if the page has it. Default:
   * {@link TransportError}, which has the same members.
   */
  errorClass?: TransportErrorClass | undefined;
  /** The time limit of calls that do not set their own, in milliseconds. Default: none. */
  defaultTimeoutMs?: number | undefined;
  /** The size limit of a message from the provider, in bytes. Default: 32 MiB. */
  readMaxBytes?: number | undefined;
  /** Sends the requests. Default: the platform's fetch. */
  fetch?: typeof globalThis.fetch | undefined;
}

const defaultReadMaxBytes = 32 << 20;

/** The services whose methods get the caller's credentials. */
const leaseService = /^akash\.provider\.lease\./;

/** A response whose headers have arrived. */
interface Call {
  header: Headers;
  /** Complete when the messages have ended. */
  trailer: Headers;
  messages: AsyncGenerator<Uint8Array, void, undefined>;
}

/**
 * Creates a transport that calls a provider through a bridge, in gRPC-Web by fetch. It
 * takes the methods of the SDK's generated code. Methods that send a stream are not
 * supported.
 *
 * Throws a TypeError if an option is invalid.
 */
export function createProviderWebTransport(options: ProviderWebTransportOptions): Transport {
  const target = readTarget(options);
  const credentials = readCredentials(options.authentication);
  const readMaxBytes = options.readMaxBytes ?? defaultReadMaxBytes;
  const ErrorClass: TransportErrorClass = options.errorClass ?? TransportError;
  /** For each open call, the function that ends it. */
  const open = new Set<(error: Error) => void>();

  const failure = (
    message: string,
    code: TransportErrorCode,
    metadata?: Headers,
    cause?: unknown,
  ): Error => new ErrorClass(message, code, { ...(metadata && { metadata }), cause });

  async function start(
    method: MethodDesc,
    request: Uint8Array,
    callOptions: CallOptions = {},
  ): Promise<Call> {
    const controller = new AbortController();
    let stopped: Error | undefined;
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    const stop = (error: Error): void => {
      stopped ??= error;
      controller.abort();
      // In Node before version 24 the signal alone may not end a body that is being read
      // (https://github.com/nodejs/undici/issues/4627).
      reader?.cancel().catch(() => {});
    };
    const { signal } = callOptions;
    const onAbort = (): void => {
      const message = `the call of ${method.name} was aborted`;
      stop(failure(message, TransportErrorCode.Canceled, undefined, signal?.reason));
    };
    const timeoutMs = readTimeout(callOptions.timeoutMs) ?? readTimeout(options.defaultTimeoutMs);
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            const message = `${target.provider}: the call of ${method.name} did not end within ${timeoutMs} ms`;
            stop(failure(message, TransportErrorCode.DeadlineExceeded));
          }, timeoutMs);
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      open.delete(stop);
    };
    open.add(stop);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();

    /** The token that was sent; empty if none was. */
    let token = "";
    /** Turns what was thrown into the error that the caller gets. */
    const translate = async (error: unknown): Promise<Error> => {
      if (stopped) return stopped;
      if (error instanceof ErrorClass) return error;
      const { bridge } = target;
      const found = await diagnose(`${bridge}/service/method`).catch(() => undefined);
      if (stopped) return stopped;
      if (found) {
        const { code, reason, message } = found;
        return failure(message, codeOf(`${code}`) ?? code14, withReason(reason), error);
      }
      const message = `the bridge at ${bridge} cannot be reached, or the connection to it broke: ${textOf(error)}`;
      return failure(message, code14, withReason("bridgeUnreachable"), error);
    };
    /** Checks a status, from headers or trailers. */
    const check = (status: Headers, all: Headers): void => {
      const code = codeOf(status.get("grpc-status") ?? "");
      if (code === undefined) return;
      if (code === TransportErrorCode.Unauthenticated) credentials?.refuse(token);
      throw failure(decodeStatusMessage(status.get("grpc-message") ?? ""), code, all);
    };

    try {
      if (stopped) throw stopped;
      const headers = requestHeaders(callOptions, timeoutMs);
      const { bridgeKey } = options;
      setHeader(headers, "akash-bridge-key", "bridgeKey", () =>
        typeof bridgeKey === "function" ? bridgeKey() : bridgeKey,
      );
      setHeader(headers, "traceparent", "traceparent", () => readTraceparent(options.traceparent));
      if (credentials && leaseService.test(method.parent.typeName)) {
        token = await stoppable(credentials.get(), controller.signal).catch((error) => {
          const message = `no token for ${method.name}: ${textOf(error)}`;
          throw failure(message, TransportErrorCode.Unauthenticated, undefined, error);
        });
        for (const [name, value] of credentials.headers(token)) {
          if (!headers.has(name)) headers.set(name, value);
        }
      }
      const response = await (options.fetch ?? fetch)(
        `${target.url}/${method.parent.typeName}/${method.name}`,
        {
          method: "POST",
          headers,
          body: encodeMessage(request),
          signal: controller.signal,
          credentials: "omit",
          redirect: noRedirect,
        },
      );
      const { status, headers: header, body } = response;
      if (!header.get("content-type")?.startsWith("application/grpc-web")) {
        await body?.cancel();
        const message = `${target.bridge} answered with HTTP status ${status} and no gRPC-Web: is it an akash-provider-bridge?`;
        const code = status === 200 ? TransportErrorCode.Unknown : codeOfHttp(status);
        throw failure(message, code, header.has("akash-error") ? header : withReason("notABridge"));
      }
      // An error before the first message may come as headers only.
      if (header.has("grpc-status")) check(header, header);
      reader = body?.getReader();
      if (stopped) throw stopped;

      const trailer = new Headers();
      const read = reader;
      const messages = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        const frames = new FrameReader(readMaxBytes);
        let ended = header.has("grpc-status");
        try {
          while (!ended) {
            const { value, done } = (await read?.read()) ?? { done: true, value: undefined };
            if (stopped) throw stopped;
            if (done || value === undefined) break;
            for (const frame of malformed(frames.read(value))) {
              if ("message" in frame) {
                yield frame.message;
                if (stopped) throw stopped;
                continue;
              }
              for (const [name, text] of frame.trailer) trailer.append(name, text);
              ended = true;
              check(trailer, merge(header, trailer));
              break;
            }
          }
          if (!ended) {
            const message = `the answer of ${target.provider} broke off`;
            throw failure(message, code14, merge(header, withReason("providerGone")));
          }
        } catch (error) {
          throw await translate(error);
        } finally {
          end();
          // Leaving the loop early ends the call, at the provider as well.
          controller.abort();
          read?.cancel().catch(() => {});
        }
      };
      return { header, trailer, messages: messages() };
    } catch (error) {
      const thrown = await translate(error);
      end();
      controller.abort();
      throw thrown;
    }
  }

  /** Sets a header to what an option says, which may be a function of the page's. */
  function setHeader(
    headers: Headers,
    header: string,
    option: string,
    read: () => string | undefined,
  ): void {
    try {
      const value = read();
      if (value !== undefined) headers.set(header, value);
    } catch (error) {
      const message = `the option ${option} failed: ${textOf(error)}`;
      throw failure(message, TransportErrorCode.InvalidArgument, undefined, error);
    }
  }

  /** Passes frames on, and gives the error of a malformed one a code. */
  function* malformed<T>(frames: Iterable<T>): Generator<T> {
    try {
      yield* frames;
    } catch (error) {
      throw failure(
        `the answer of ${target.provider} is malformed: ${textOf(error)}`,
        TransportErrorCode.Internal,
        undefined,
        error,
      );
    }
  }

  /** decode decodes a message. */
  function decode(method: MethodDesc, bytes: Uint8Array): unknown {
    try {
      return method.output.decode(bytes);
    } catch (error) {
      throw failure(
        `the answer of ${target.provider} is not a ${method.output.$type}: ${textOf(error)}`,
        TransportErrorCode.Internal,
        undefined,
        error,
      );
    }
  }

  return {
    async unary<M extends MethodDesc>(
      method: M,
      input: unknown,
      callOptions?: CallOptions,
    ): Promise<UnaryResponse<M>> {
      const { header, trailer, messages } = await start(method, encode(method, input), callOptions);
      let first: Uint8Array | undefined;
      for await (const message of messages) {
        if (first) {
          throw failure(`${method.name} got a second answer`, TransportErrorCode.Unimplemented);
        }
        first = message;
      }
      if (!first) throw failure(`${method.name} got no answer`, TransportErrorCode.Unimplemented);
      return { stream: false, method, header, trailer, message: decode(method, first) };
    },

    async stream<M extends MethodDesc>(
      method: M,
      input: AsyncIterable<unknown>,
      callOptions?: CallOptions,
    ): Promise<StreamResponse<M>> {
      if (method.kind !== "server_streaming") {
        const message = `${method.name} sends a stream, which gRPC-Web cannot`;
        throw failure(message, TransportErrorCode.Unimplemented);
      }
      let request: unknown;
      for await (const message of input) request = message;
      const call = await start(method, encode(method, request), callOptions);
      const message = (async function* () {
        for await (const bytes of call.messages) yield decode(method, bytes);
      })();
      return { stream: true, method, header: call.header, trailer: call.trailer, message };
    },

    async dispose(): Promise<void> {
      const error = failure("the SDK was disposed of", TransportErrorCode.Canceled);
      for (const stop of open) stop(error);
    },
  };
}

const code14 = TransportErrorCode.Unavailable;

function encode(method: MethodDesc, input: unknown): Uint8Array {
  return method.input.encode(method.input.fromPartial(input ?? {})).finish();
}

/** readTarget returns where calls go. */
function readTarget(options: ProviderWebTransportOptions) {
  const { bridgeUrl, baseUrl } = options;
  let { provider } = options;
  let bridge = `${bridgeUrl ?? ""}`;
  if (baseUrl !== undefined) {
    if (bridgeUrl !== undefined || provider !== undefined) {
      throw new TypeError("give bridgeUrl and provider, or baseUrl, and not both");
    }
    const trimmed = `${baseUrl}`.replace(/\/+$/, "").replace(/\/chain-sdk$/, "");
    [, bridge = "", provider = ""] = /^(.*)\/([^/]+)$/.exec(trimmed) ?? [];
    if (!/^https?:\/\/.+/.test(bridge)) {
      throw new TypeError(
        "baseUrl must be the URL of a bridge and a provider's address, such as https://bridge.example.com/akash1…",
      );
    }
  }
  for (const [name, value] of [
    ["bridgeUrl", bridge],
    ["provider", provider],
  ] as const) {
    if (typeof value !== "string" || value === "") throw new TypeError(`${name} is missing`);
    if (isPlaceholder(value)) {
      throw new TypeError(`${name} is the placeholder ${JSON.stringify(value)}: replace it`);
    }
  }
  if (!/^akash1[a-z0-9]+$/.test(provider ?? "")) {
    throw new TypeError("provider must be a provider's address, akash1 and letters and digits");
  }
  bridge = bridge.replace(/\/+$/, "");
  if (!/^https?:\/\//.test(bridge) || !URL.canParse(bridge)) {
    throw new TypeError("bridgeUrl must be a URL that begins with http:// or https://");
  }
  // Below it, the bridge serves the LeaseRPC that the SDK has, which is not AEP-37's.
  return { bridge, provider, url: `${bridge}/${provider}/chain-sdk` };
}

/** How a call gets its credentials. */
interface Credentials {
  /** Returns a token, which is empty for a certificate. */
  get(): Promise<string>;
  /** Says that a token was refused. */
  refuse(token: string): void;
  headers(token: string): [name: string, value: string][];
}

function readCredentials(authentication: Authentication | undefined): Credentials | undefined {
  if (authentication === undefined) return undefined;
  const { type } = authentication;
  if (type === "mtls") {
    const { cert, key } = authentication;
    requirePem("authentication.cert", cert);
    requirePem("authentication.key", key);
    return {
      get: async () => "",
      refuse: () => {},
      headers: () => [
        ["akash-client-cert-bin", btoa(cert)],
        ["akash-client-key-bin", btoa(key)],
      ],
    };
  }
  if (type !== "jwt") throw new TypeError('authentication.type must be "jwt" or "mtls"');
  const headers = (token: string): [string, string][] => [["authorization", `Bearer ${token}`]];
  if ("getToken" in authentication) {
    if (typeof authentication.getToken !== "function") {
      throw new TypeError("authentication.getToken must be a function");
    }
    const tokens = tokensOf(authentication.getToken);
    let refused = "";
    return {
      get: () => tokens(refused),
      refuse: (token) => {
        refused = token;
      },
      headers,
    };
  }
  const { token } = authentication;
  // The error must not contain the value, which is a secret.
  if (typeof token !== "string" || !/^[\w.-]+$/.test(token)) {
    throw new TypeError("authentication.token must be a JWT");
  }
  return { get: async () => token, refuse: () => {}, headers };
}

function requirePem(name: string, value: unknown): void {
  if (typeof value !== "string" || !/^[\t\n\r -~]*-----BEGIN [\t\n\r -~]*$/.test(value)) {
    throw new TypeError(`${name} must be PEM, such as "-----BEGIN …"`);
  }
}

/** readTimeout returns a limit, or undefined for none, as in the SDK. */
function readTimeout(value: number | undefined): number | undefined {
  // Browsers' timers are limited to 32 bits.
  return value !== undefined && value > 0 && value < 2 ** 31 ? Math.ceil(value) : undefined;
}

function requestHeaders(options: CallOptions, timeoutMs: number | undefined): Headers {
  const headers = merge(new Headers(options.header), new Headers(options.headers));
  headers.set("content-type", "application/grpc-web+proto");
  headers.set("x-grpc-web", "1");
  // It has at most eight digits.
  if (timeoutMs !== undefined) {
    const small = timeoutMs < 1e8;
    headers.set("grpc-timeout", small ? `${timeoutMs}m` : `${Math.ceil(timeoutMs / 1000)}S`);
  }
  return headers;
}

function merge(...all: Headers[]): Headers {
  const merged = new Headers();
  for (const headers of all) for (const [name, value] of headers) merged.set(name, value);
  return merged;
}

/** stoppable waits for a promise, or until the signal aborts. */
function stoppable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** textOf returns an error's message, with that of its cause, where Node has what happened. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return `${error}`;
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
