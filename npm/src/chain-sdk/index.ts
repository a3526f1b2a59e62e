// The SDK of a provider for web pages, in the shape of `createProviderSDK` of
// @akashnetwork/chain-sdk, whose messages it uses.
import type {
  BidScreeningResponse,
  SendManifestResponse,
  ServiceLogsResponse,
  ServiceStatusResponse,
  Status,
} from "@akashnetwork/chain-sdk/private-types/provider.akash.v1";
import { asyncDispose } from "../dispose.js";
import type { TransportErrorClass } from "./error.js";
import { leaseRPC, providerRPC, type ServiceDesc } from "./services.js";
import {
  type Authentication,
  createProviderWebTransport,
  type ProviderWebTransportOptions,
} from "./transport.js";
import type { CallOptions, MessageInit, Transport } from "./types.js";

export type { ErrorReason } from "../errors.js";
export type { GetToken } from "../token.js";
export {
  reasonOf,
  TransportError,
  type TransportErrorClass,
  TransportErrorCode,
  type TransportErrorOptions,
} from "./error.js";
export {
  type Authentication,
  createProviderWebTransport,
  type ProviderWebTransportOptions,
} from "./transport.js";
export type {
  CallOptions,
  Encoded,
  MessageDesc,
  MessageInit,
  MethodDesc,
  StreamResponse,
  Transport,
  UnaryResponse,
} from "./types.js";

/** Options of {@link createProviderWebSDK}. */
export interface ProviderWebSDKOptions {
  /**
   * The URL of the bridge, an `akash-provider-bridge`. Default: none; it is required without
   * `baseUrl`.
   *
   * @example "https://bridge.example.com"
   */
  bridgeUrl?: string | URL;
  /**
   * The address of the provider. Default: none; it is required without `baseUrl`.
   *
   * @example "akash1…"
   */
  provider?: string;
  /**
   * The two above in one, as `createProviderSDK` takes it. Default: none.
   *
   * @example "https://bridge.example.com/akash1…"
   */
  baseUrl?: string | URL;
  /**
   * The key, or the ID token, with which the bridge lets its callers in, if its operator
   * restricts them. It does not go to providers. A function is called for each call.
   * Default: none.
   *
   * @example () => session.idToken
   */
  bridgeKey?: string | (() => string);
  /**
   * A function that is called for each call, and returns the `traceparent` that the bridge
   * continues (https://www.w3.org/TR/trace-context/#traceparent-header), or undefined for
   * none. Default: none.
   *
   * @example () => `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`
   */
  traceparent?: () => string | undefined;
  /**
   * The caller's credentials, which only calls about leases get. Default: none.
   *
   * @example { type: "jwt", token: "eyJ…" }
   */
  authentication?: Authentication;
  /**
   * The class of errors: give the SDK's `SDKError` if the page has it. Default:
   * {@link TransportError}, which has the same members.
   *
   * @example SDKError
   */
  errorClass?: TransportErrorClass;
  /**
   * Further options of the transport. Default: those of
   * {@link ProviderWebTransportOptions}.
   *
   * @example { defaultTimeoutMs: 30_000 }
   */
  transportOptions?: Pick<
    ProviderWebTransportOptions,
    "defaultTimeoutMs" | "readMaxBytes" | "fetch"
  >;
}

type Messages = typeof import("@akashnetwork/chain-sdk/private-types/provider.akash.v1");

/** A unary method. */
export type Unary<I, O> = (input: I, options?: CallOptions) => Promise<O>;
/** A method that answers with a stream. */
export type Streaming<I, O> = (input: I, options?: CallOptions) => Promise<AsyncIterable<O>>;
type Init<Name extends keyof Messages> = MessageInit<Messages[Name]>;

/** What the SDK has since after 1.0.0-alpha.25. */
type Attestation = Messages extends {
  AttestationQuoteRequest: { fromPartial(object: infer I): unknown };
  AttestationQuoteResponse: { decode(input: Uint8Array): infer O };
}
  ? {
      /** Requests a report of the lease's trusted execution environment. */
      attestationQuote: Unary<I, O>;
    }
  : unknown;

/** The provider's services, as in the SDK. */
export interface ProviderWebSDK {
  akash: {
    provider: {
      v1: {
        /** Gets the provider's status. */
        getStatus(input?: object, options?: CallOptions): Promise<Status>;
        /** Follows the provider's status. */
        streamStatus(input?: object, options?: CallOptions): Promise<AsyncIterable<Status>>;
        /** Asks whether the provider would bid for a group, and its price. */
        bidScreening: Unary<Init<"BidScreeningRequest">, BidScreeningResponse>;
      };
      lease: {
        v1: {
          /** Sends a manifest. */
          sendManifest: Unary<Init<"SendManifestRequest">, SendManifestResponse>;
          /** Gets the status of a lease's services. */
          serviceStatus: Unary<Init<"ServiceStatusRequest">, ServiceStatusResponse>;
          /** Follows the status of a lease's services. */
          streamServiceStatus: Streaming<Init<"ServiceStatusRequest">, ServiceStatusResponse>;
          /** Gets the logs of a lease's services. */
          serviceLogs: Unary<Init<"ServiceLogsRequest">, ServiceLogsResponse>;
          /** Follows the logs of a lease's services. */
          streamServiceLogs: Streaming<Init<"ServiceLogsRequest">, ServiceLogsResponse>;
        } & Attestation;
      };
    };
  };
  /** Ends all calls. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates an SDK of a provider that works in pages, through a bridge. Its calls have the
 * shape of those of the SDK's `createProviderSDK`.
 *
 * ```ts
 * const sdk = createProviderWebSDK({ bridgeUrl: "https://bridge.example.com", provider: "akash1…" });
 * const status = await sdk.akash.provider.v1.getStatus({});
 * ```
 *
 * A stream opens when its first message is requested; leaving the loop ends it. Calls are
 * not retried. Errors are a {@link TransportError}; {@link reasonOf} returns their reason.
 *
 * Throws a TypeError if an option is invalid.
 */
export function createProviderWebSDK(options: ProviderWebSDKOptions): ProviderWebSDK {
  const { transportOptions, ...rest } = options;
  const transport = createProviderWebTransport({ ...transportOptions, ...rest });
  const sdk = {
    akash: {
      provider: {
        v1: clientOf(providerRPC, transport),
        lease: { v1: clientOf(leaseRPC, transport) },
      },
    },
    [asyncDispose]: () => transport.dispose(),
  };
  return sdk as unknown as ProviderWebSDK;
}

/** clientOf returns a function for each method of a service. */
function clientOf({ methods }: ServiceDesc, transport: Transport) {
  const client: Record<string, (input?: unknown, options?: CallOptions) => Promise<unknown>> = {};
  for (const [name, method] of Object.entries(methods)) {
    client[name] = async (input, options) => {
      if (method.kind === "server_streaming") return follow(input, options);
      const { header, trailer, message } = await transport.unary(method, input, options);
      options?.onHeader?.(header);
      options?.onTrailer?.(trailer);
      return message;
    };
    async function* follow(input: unknown, options: CallOptions | undefined) {
      const once = (async function* () {
        yield input;
      })();
      const response = await transport.stream(method, once, options);
      options?.onHeader?.(response.header);
      yield* response.message;
      options?.onTrailer?.(response.trailer);
    }
  }
  return client;
}
