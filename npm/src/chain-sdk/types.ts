// The parts of the SDK's types that it does not export
// (https://github.com/akash-network/chain-sdk, ts/src/sdk/transport and ts/src/sdk/client).

/** What a message was written to. */
export interface Encoded {
  /** Returns the bytes. */
  finish(): Uint8Array;
}

/** A type of message, as ts-proto generates it for the SDK. */
export interface MessageDesc<T = unknown> {
  readonly $type: string;
  /** Encodes a message. */
  encode(message: T): Encoded;
  /** Decodes a message. */
  decode(input: Uint8Array): T;
  /** Makes a message of some of its members. */
  fromPartial(object: unknown): T;
}

/** A method of a service, as the SDK describes it. */
export interface MethodDesc {
  readonly name: string;
  /** Absent or `"unary"` for a unary method. */
  readonly kind?: string | undefined;
  readonly parent: { readonly typeName: string };
  readonly input: MessageDesc;
  readonly output: MessageDesc;
}

/** What a message of a type is made of: the same, with every member optional. */
export type MessageInit<T extends Pick<MessageDesc, "fromPartial">> = Parameters<
  T["fromPartial"]
>[0];

/** Options of a call, as the SDK has them. */
export interface CallOptions {
  /** Aborts the call, whose error then has the code `Canceled`. Default: none. */
  signal?: AbortSignal | undefined;
  /** How long the call may take, a stream included, in milliseconds. Default: `defaultTimeoutMs`. */
  timeoutMs?: number | undefined;
  /** Further request headers. Default: none. */
  headers?: HeadersInit | undefined;
  /** The same; the SDK's own transports read this one. Default: none. */
  header?: HeadersInit | undefined;
  /** Receives the response's headers. Default: none. */
  onHeader?: ((headers: Headers) => void) | undefined;
  /** Receives the response's trailers. Default: none. */
  onTrailer?: ((trailers: Headers) => void) | undefined;
}

/**
 * A message that was received. Its type is the method's output; the SDK's generic types for
 * it cannot be named outside the SDK.
 */
// biome-ignore lint/suspicious/noExplicitAny: so that it fits the SDK's types
type Received = any;

/** The answer to a unary call. */
export interface UnaryResponse<M> {
  stream: false;
  method: M;
  /** The headers of the bridge's response. */
  header: Headers;
  trailer: Headers;
  message: Received;
}

/** The answer to a streaming call. */
export interface StreamResponse<M> {
  stream: true;
  method: M;
  /** The headers of the bridge's response. */
  header: Headers;
  /** They are complete when the messages have ended. */
  trailer: Headers;
  message: AsyncIterable<Received>;
}

/** A transport of the SDK's shape: what its `createSDK` takes. */
export interface Transport {
  /** Calls a unary method. */
  unary<M extends MethodDesc>(
    method: M,
    input: unknown,
    options?: CallOptions,
  ): Promise<UnaryResponse<M>>;
  /** Calls a method that answers with a stream. */
  stream<M extends MethodDesc>(
    method: M,
    input: AsyncIterable<unknown>,
    options?: CallOptions,
  ): Promise<StreamResponse<M>>;
  /** Ends all calls. */
  dispose(): Promise<void>;
}
