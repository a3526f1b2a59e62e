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

/**
 * What went wrong, more closely than a code says. A bridge of a later version may know
 * of more than these.
 *
 * | | |
 * |---|---|
 * | `malformedAddress`, `malformedMetadata` | the call's arguments |
 * | `notAllowed` | the bridge does not allow `insecure` and the like |
 * | `bridgeBusy`, `bridgeStopping` | the bridge itself; another try may do |
 * | `bridgeUnreachable`, `notABridge` | nothing answers at `bridgeUrl`; something does that is no bridge |
 * | `originRefused`, `blockedByPolicy`, `mixedContent` | the page may not call the bridge: the message says what that needs |
 * | `webSocketUnavailable`, `tooManyStreams` | the option `transport` |
 * | `streamStalled` | nothing came any more, not even heartbeats |
 * | `streamBuffered` | a proxy before the bridge holds streams back: the message says what that needs |
 * | `unknownProvider`, `chainUnavailable` | what the chain says, or that it does not answer |
 * | `hostNotFound`, `destinationRefused`, `providerUnreachable` | the way to the provider |
 * | `providerProtocol`, `providerGone`, `providerFailed`, `requestRefused`, `clusterUnavailable` | what the provider answered |
 * | `expired`, `notYetValid`, `wrongOwner`, `unknownCertificate`, `revoked`, `fingerprintMismatch`, `notSelfSigned` | the provider's certificate; nothing was sent |
 * | `credentialMissing`, `tokenExpired`, `tokenNotYetValid`, `tokenInvalid`, `tokenUnsupported`, `scopeMissing`, `ambiguousCredentials`, `certificateNotOnChain`, `wrongTenant` | the caller's credential |
 * | `unknownLease`, `unknownService`, `noRunningPods`, `manifestRefused`, `notImplemented` | the lease |
 * | `podStarting` | a pod of the service is still starting, so its log cannot be read yet: follow the log, or try again |
 * | `nonceMismatch` | an attestation report is not for the nonce that was sent: do not trust it |
 * | `shellBroken` | the connection to a process broke, which may still run |
 * | `commandNotFound`, `toolMissing`, `fileFailed` | what a container has: no such program, not the tools for files; a file that could not be read or written |
 * | `outcomeUnknown` | the answer was lost of a call that may have had its effect |
 */
export type ErrorReason =
  | "malformedAddress"
  | "malformedMetadata"
  | "notAllowed"
  | "bridgeBusy"
  | "bridgeStopping"
  | "bridgeUnreachable"
  | "notABridge"
  | "originRefused"
  | "blockedByPolicy"
  | "mixedContent"
  | "webSocketUnavailable"
  | "tooManyStreams"
  | "streamStalled"
  | "streamBuffered"
  | "unknownProvider"
  | "chainUnavailable"
  | "hostNotFound"
  | "destinationRefused"
  | "providerUnreachable"
  | "providerProtocol"
  | "providerGone"
  | "providerFailed"
  | "requestRefused"
  | "clusterUnavailable"
  | "expired"
  | "notYetValid"
  | "wrongOwner"
  | "unknownCertificate"
  | "revoked"
  | "fingerprintMismatch"
  | "notSelfSigned"
  | "credentialMissing"
  | "tokenExpired"
  | "tokenNotYetValid"
  | "tokenInvalid"
  | "tokenUnsupported"
  | "scopeMissing"
  | "ambiguousCredentials"
  | "certificateNotOnChain"
  | "wrongTenant"
  | "unknownLease"
  | "unknownService"
  | "noRunningPods"
  | "podStarting"
  | "shellBroken"
  | "commandNotFound"
  | "toolMissing"
  | "fileFailed"
  | "manifestRefused"
  | "notImplemented"
  | "outcomeUnknown"
  | "nonceMismatch"
  | (string & {});

/** What a {@link ProviderError} is made of. */
export interface ErrorDetails {
  code: ErrorCode;
  message: string;
  reason?: ErrorReason | undefined;
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
  readonly reason: ErrorReason | undefined;
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

/** failure makes the error that was described. One that the page caused keeps its cause. */
export function failure(details: ErrorDetails, stopped?: ProviderError): ProviderError {
  return new ProviderError({
    ...details,
    cause: stopped?.code === details.code ? stopped.cause : undefined,
  });
}

/** asProviderError makes a ProviderError of what was thrown, and names the provider. */
export function asProviderError(error: unknown, provider?: string): ProviderError {
  if (!(error instanceof ProviderError)) {
    return new ProviderError({ code: "INTERNAL", message: String(error), provider, cause: error });
  }
  const { code, message, reason, attempts, cause } = error;
  return error.provider
    ? error
    : new ProviderError({ code, message, reason, attempts, provider, cause });
}

/** detailsOf returns what an error is made of, but for its cause, which may not be one to clone. */
export function detailsOf(error: ProviderError): ErrorDetails {
  const { code, message, reason, provider, attempts } = error;
  return { code, message, reason, provider, attempts };
}
