// What a person can do about a failed call. The error's own message says what
// happened; this says what to try.

const byReason = {
  malformedAddress: "An address starts with akash1 and has 44 characters. Copy it whole.",
  unknownProvider:
    "The chain has no provider of this address. Check the address, and that the bridge asks the right network.",
  chainUnavailable:
    "The bridge cannot ask the chain. Try again; if it stays, start the bridge with another --chain-rpc.",
  hostNotFound:
    "The provider’s host name does not exist. Its record on the chain may be out of date.",
  destinationRefused:
    "The provider’s host is in a private network. For tests, start the bridge with --allow-private-networks.",
  notAllowed: "This bridge does not allow it. Its operator can.",
  providerUnreachable: "The provider does not answer. It may be down: try again later.",
  providerGone: "The provider went away in the middle. Try again.",
  providerProtocol: "The provider answered with something that is not its protocol.",
  expired: "The provider’s certificate is out of date. Its operator has to publish a new one.",
  notYetValid: "The provider’s certificate is not valid yet. Check the bridge’s clock.",
  wrongOwner: "Somebody else’s certificate answered. Nothing was sent to it.",
  unknownCertificate:
    "The chain does not know the certificate that answered. Nothing was sent to it.",
  revoked: "The provider’s certificate was revoked. Nothing was sent to it.",
  fingerprintMismatch:
    "The certificate that answered is not the one on the chain. Nothing was sent to it.",
  notSelfSigned:
    "The certificate that answered is neither the provider’s own nor of a public authority. Nothing was sent to it.",
};

const byCode = {
  DEADLINE_EXCEEDED: "It took too long. Try again.",
  UNAUTHENTICATED: "The token is missing, out of date, or of another account. Paste a new one.",
  PERMISSION_DENIED: "The token does not cover this lease or this call.",
  NOT_FOUND: "There is no such lease or service on this provider.",
  UNIMPLEMENTED: "This provider cannot do that.",
  UNAVAILABLE: "Try again; if it stays, look whether the bridge is running.",
};

/** Returns a sentence, or "" where there is nothing to add. */
export function advice(error) {
  return byReason[error.reason] ?? byCode[error.code] ?? "";
}
