/** The name of a gRPC status other than OK. */
export type ErrorCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** What a {@link ProviderError} is made of. */
export interface ErrorDetails {
  code: ErrorCode;
  message: string;
  reason?: string | undefined;
  provider?: string | undefined;
  attempts?: number | undefined;
  cause?: unknown;
}

/**
 * Why a call failed. The message is for people: it names the provider and the
 * cause, and what to do where that is known.
 *
 * ```ts
 * if (error.code === "NOT_FOUND") forget(error.provider);
 * if (error.reason === "expired") warn("the provider's certificate has expired");
 * ```
 */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  /** The gRPC status, such as `"UNAVAILABLE"`. */
  readonly code: ErrorCode;
  /**
   * What went wrong, more closely than the code says, such as `"revoked"` for a
   * certificate; undefined where the bridge gave no reason.
   */
  readonly reason: string | undefined;
  /** The address of the provider that was called; undefined where none was. */
  readonly provider: string | undefined;
  /** How many attempts were made; undefined where none was. */
  readonly attempts: number | undefined;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.reason = details.reason;
    this.provider = details.provider;
    this.attempts = details.attempts;
  }
}
