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
 * The cause of an error, more specific than its code. A later version of the bridge may use
 * other reasons, too.
 *
 * | reason | cause |
 * |---|---|
 * | `malformedAddress`, `malformedMetadata` | the call's arguments are invalid |
 * | `notAllowed` | the bridge does not allow an option such as `insecure` |
 * | `bridgeBusy`, `bridgeStopping` | the bridge is overloaded or shutting down; a retry may succeed |
 * | `bridgeKeyRefused` | the bridge serves only callers with a key or token, and `bridgeKey` is missing or wrong |
 * | `tooManyCalls` | this address, or this page's origin, has more than its share of the bridge; end some calls, or retry later |
 * | `bridgeUnreachable`, `notABridge` | nothing answers at `bridgeUrl`, or something that is not a bridge |
 * | `originRefused`, `blockedByPolicy`, `mixedContent` | the page may not call the bridge; the message says what to change |
 * | `webSocketUnavailable`, `tooManyStreams` | see the option `transport` |
 * | `streamStalled` | the stream received nothing, not even heartbeats |
 * | `streamBuffered` | a proxy in front of the bridge buffers streams; the message says what to change |
 * | `unknownProvider`, `chainUnavailable`, `chainDisagreement` | the provider is not on the chain, the chain does not answer, or its nodes give different answers |
 * | `hostNotFound`, `destinationRefused`, `providerUnreachable` | the bridge cannot connect to the provider |
 * | `providerProtocol`, `providerGone`, `providerFailed`, `requestRefused`, `clusterUnavailable` | the provider's answer |
 * | `expired`, `notYetValid`, `wrongOwner`, `unknownCertificate`, `revoked`, `fingerprintMismatch`, `notSelfSigned` | the provider's certificate is not trusted; nothing was sent |
 * | `credentialMissing`, `tokenExpired`, `tokenNotYetValid`, `tokenInvalid`, `tokenUnsupported`, `scopeMissing`, `ambiguousCredentials`, `certificateNotOnChain`, `wrongTenant` | the caller's credentials |
 * | `unknownLease`, `unknownService`, `noRunningPods`, `logNotResumable`, `manifestRefused`, `notImplemented` | the lease |
 * | `podStarting` | a pod of the service is still starting, so its log cannot be read yet: follow the log, or retry |
 * | `nonceMismatch` | an attestation report is not for the nonce that was sent: do not trust it |
 * | `shellBroken` | the connection to a process broke; the process may still be running |
 * | `commandNotFound`, `toolMissing`, `fileFailed` | a container does not have the command or a program that file transfers need, or a file could not be read or written |
 * | `outcomeUnknown` | the answer was lost; the call may have taken effect |
 */
export type ErrorReason =
  | "malformedAddress"
  | "malformedMetadata"
  | "notAllowed"
  | "bridgeBusy"
  | "bridgeStopping"
  | "tooManyCalls"
  | "bridgeKeyRefused"
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
  | "chainDisagreement"
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
  | "logNotResumable"
  | "manifestRefused"
  | "notImplemented"
  | "outcomeUnknown"
  | "nonceMismatch"
  | (string & {});

/** The members of a {@link ProviderError}. */
export interface ErrorDetails {
  code: ErrorCode;
  message: string;
  reason?: ErrorReason | undefined;
  provider?: string | undefined;
  attempts?: number | undefined;
  requestId?: string | undefined;
  cause?: unknown;
}

/**
 * The error of a failed call. The message is for people: it names the provider, the cause
 * and, if known, a remedy.
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
   * The cause, more specific than the code, such as `"revoked"` for a certificate;
   * undefined if the bridge gave none.
   */
  readonly reason: ErrorReason | undefined;
  /** The address of the provider that was called; undefined if none was. */
  readonly provider: string | undefined;
  /** How many attempts were made; undefined if none was. */
  readonly attempts: number | undefined;
  /**
   * The bridge's id of the last request, 32 hexadecimal digits, with which its operator
   * finds the call in the log and in traces; undefined if no bridge answered.
   */
  readonly requestId: string | undefined;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.reason = details.reason;
    this.provider = details.provider;
    this.attempts = details.attempts;
    this.requestId = details.requestId;
  }
}

/**
 * failure creates an error from its details. If the page caused it, it has the page's
 * cause.
 */
export function failure(details: ErrorDetails, stopped?: ProviderError): ProviderError {
  return new ProviderError({
    ...details,
    cause: stopped?.code === details.code ? stopped.cause : undefined,
  });
}

/** asProviderError turns what was thrown into a ProviderError that names the provider. */
export function asProviderError(error: unknown, provider?: string): ProviderError {
  if (!(error instanceof ProviderError)) {
    return new ProviderError({ code: "INTERNAL", message: String(error), provider, cause: error });
  }
  return error.provider
    ? error
    : new ProviderError({ ...detailsOf(error), provider, cause: error.cause });
}

/** detailsOf returns an error's details, except its cause, which may not be cloneable. */
export function detailsOf(error: ProviderError): ErrorDetails {
  const { code, message, reason, provider, attempts, requestId } = error;
  return { code, message, reason, provider, attempts, requestId };
}
