import type { ErrorReason } from "../errors.js";

/** The codes of gRPC, as numbers, under the names of the SDK's `SDKErrorCode`. */
export const TransportErrorCode = {
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;
export type TransportErrorCode = (typeof TransportErrorCode)[keyof typeof TransportErrorCode];

/** The trailer in which a bridge sends an error's reason. */
const reasonHeader = "akash-error";

/** What an error has besides its message and code. */
export interface TransportErrorOptions {
  metadata?: HeadersInit | undefined;
  cause?: unknown;
}

/** The class of a transport's errors: the SDK's `SDKError`, or {@link TransportError}. */
export type TransportErrorClass = new (
  message: string,
  code: TransportErrorCode,
  options?: { metadata?: HeadersInit; cause?: unknown },
) => Error;

/**
 * The error of a failed call, with the members of the SDK's `SDKError`. It is not an
 * instance of that class, whose module brings the whole SDK with it, unless the option
 * `errorClass` says so.
 *
 * ```ts
 * if (error instanceof TransportError && error.code === TransportErrorCode.NotFound) …
 * ```
 */
export class TransportError extends Error {
  override readonly name = "TransportError";
  /** The gRPC code. */
  readonly code: TransportErrorCode;
  /** The response's headers and trailers. */
  readonly metadata: Headers;

  constructor(
    message: string,
    code: TransportErrorCode = TransportErrorCode.Unknown,
    options: TransportErrorOptions = {},
  ) {
    super(
      `[${nameOf(code)}] ${message}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.metadata = new Headers(options.metadata ?? {});
  }
}

/** nameOf returns a code's name in messages: that of Connect, such as not_found. */
function nameOf(code: number): string {
  const name = Object.entries(TransportErrorCode).find(([, value]) => value === code)?.[0];
  return name?.replaceAll(/\B[A-Z]/g, "_$&").toLowerCase() ?? `${code}`;
}

/**
 * Returns the bridge's reason for an error, such as `"unknownProvider"`, which is more
 * specific than its code. It works for the SDK's `SDKError` and for Connect's
 * `ConnectError`, too. Returns undefined if the error has no reason.
 */
export function reasonOf(error: unknown): ErrorReason | undefined {
  const { metadata } = (error ?? {}) as { metadata?: unknown };
  return metadata instanceof Headers ? (metadata.get(reasonHeader) ?? undefined) : undefined;
}

/** withReason returns the metadata of an error that has a reason. */
export function withReason(reason: ErrorReason): Headers {
  return new Headers({ [reasonHeader]: reason });
}

/** codeOf returns the code for a gRPC status, or undefined for OK. */
export function codeOf(status: string): TransportErrorCode | undefined {
  if (status === "0") return undefined;
  const found = Object.values(TransportErrorCode).find((code) => `${code}` === status);
  return found ?? TransportErrorCode.Unknown;
}

/**
 * codeOfHttp returns the code for an HTTP status other than 200
 * (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
 */
export function codeOfHttp(status: number): TransportErrorCode {
  switch (status) {
    case 400:
      return TransportErrorCode.Internal;
    case 401:
      return TransportErrorCode.Unauthenticated;
    case 403:
      return TransportErrorCode.PermissionDenied;
    case 404:
      return TransportErrorCode.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return TransportErrorCode.Unavailable;
    default:
      return TransportErrorCode.Unknown;
  }
}
