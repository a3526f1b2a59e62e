// What a user can do about a failed call. The error's message says what happened; this
// says what to try.

const byReason = {
  shellBroken: "The command may still run. Start another shell, and look.",
  commandNotFound: "The container’s image has no such program.",

  malformedAddress: "An address starts with akash1 and has 44 characters. Copy it whole.",
  malformedMetadata: "The page and the bridge do not fit together. Reload the page.",
  notAllowed: "This bridge does not allow it. Its operator can.",
  bridgeBusy: "Too many people use this bridge. Try again later, or use another one.",
  bridgeStopping: "The bridge is being stopped. Try again in a moment.",
  bridgeKeyRefused:
    "This bridge serves only callers with a key. Ask its operator for one, or use another bridge.",
  tooManyCalls:
    "You use more than your share of this bridge. Close other pages that use it, or try again later.",

  unknownProvider:
    "Check the address, and that the bridge asks the chain of the right network (--chain-rpc).",
  chainUnavailable: "Try again; if it stays, start the bridge with another --chain-rpc.",
  chainDisagreement:
    "One of the bridge’s chain nodes is wrong. Nothing was sent. Try again; if it stays, tell the bridge’s operator.",

  hostNotFound: "The provider’s record on the chain may be out of date. Ask its operator.",
  destinationRefused: "For tests, start the bridge with --allow-private-networks.",
  providerUnreachable: "The provider may be down. Try again later.",
  providerProtocol: "What answers there may not be a provider, or a broken one. Ask its operator.",
  providerGone: "Try again.",
  providerFailed: "Try again; if it stays, ask the provider’s operator.",
  requestRefused: "Check the fields of the lease.",
  clusterUnavailable: "The provider’s cluster does not answer. Try again later.",

  expired: "The provider’s operator has to publish a new certificate. Nothing was sent.",
  notYetValid: "Check the clock of the bridge’s machine. Nothing was sent.",
  wrongOwner: "Somebody else answers at the provider’s address. Nothing was sent.",
  unknownCertificate: "Somebody else may be answering for the provider. Nothing was sent.",
  revoked: "The provider’s operator has to publish a new certificate. Nothing was sent.",
  fingerprintMismatch: "Somebody else may be answering for the provider. Nothing was sent.",
  notSelfSigned: "Somebody else may be answering for the provider. Nothing was sent.",

  credentialMissing: "Paste a token of the lease’s owner.",
  tokenExpired: "Paste a new token.",
  tokenNotYetValid: "Wait a moment, or check the clock of the machine that made the token.",
  tokenInvalid: "Check that the whole token was copied, and that the lease’s owner signed it.",
  tokenUnsupported: "This provider wants a client certificate, which this page cannot give it.",
  scopeMissing: "Make a token whose scope names this call and this lease.",
  ambiguousCredentials: "Give a token or a client certificate, not both.",
  certificateNotOnChain: "Publish the client certificate on the chain first.",
  wrongTenant: "Use the token of the account that owns the lease.",

  unknownLease: "Check the lease’s fields, and that it is open and with this provider.",
  unknownService: "Check the service’s name, or leave it empty for all.",
  podStarting: "The service is still starting. Its log can be read once it runs.",
  noRunningPods: "The service is not running yet, or no longer. Try again in a moment.",
  logNotResumable: "Open the log again.",
  manifestRefused: "Check the manifest against the deployment on the chain.",
  outcomeUnknown: "Look at the status before you try again.",
  notImplemented: "This provider cannot do that.",
};

const byCode = {
  DEADLINE_EXCEEDED: "It took too long. Try again.",
  UNAUTHENTICATED: "The token is missing, out of date, or of another account. Paste a new one.",
  PERMISSION_DENIED: "The token does not cover this lease or this call.",
  NOT_FOUND: "There is no such lease or service on this provider.",
  UNIMPLEMENTED: "This provider cannot do that.",
  UNAVAILABLE: "Try again; if it stays, look whether the bridge is running.",
};

/** Returns advice, or "" if there is none. */
export function advice(error) {
  return byReason[error.reason] ?? byCode[error.code] ?? "";
}
