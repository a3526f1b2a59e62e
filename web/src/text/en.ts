// Every text that a person reads, in English. A translation is another file with the same
// names. Sections are those of the folders of src.

import { count } from "../ui/quantity.js";

const plural = (n: number, one: string, many: string) => `${count(n)} ${n === 1 ? one : many}`;

export const app = {
  title: "Akash provider",
  skip: "Skip to content",
  navigation: "Views",
  loading: "Loading…",
  unknownView: "There is no such view.",
  toHome: "Go to the providers",
  /** A part of the page could not be loaded. */
  stale:
    "This part of the page could not be loaded. The bridge may be stopped, or it may have been updated since the page was opened.",
  reload: "Reload the page",
  broken: "This view failed. That is a fault of the page.",
};

export const notice = {
  tryAgain: "Try again",
  attempts: (n: number) => `${n} attempts`,
  request: (id: string) => `request ${id}`,
};

export const session = {
  signIn: "Sign in",
  signOut: "Sign out",
  signedIn: "Signed in",
  /** Under the title of the view. */
  why: "The status of providers needs no account. What concerns a lease does: that of its owner.",
  wallet: "With a wallet",
  walletWhy:
    "The wallet signs a token for each provider whose leases you open, and a new one before it expires. Your key stays in the wallet.",
  noWallet:
    "This browser has no wallet that the page knows. Keplr and Leap are extensions of the browser.",
  withWallet: (name: string) => `Sign in with ${name}`,
  asking: (name: string) => `Look at ${name}: it asks you.`,
  walletRefused: (name: string, why: string) => `${name} did not let the page in: ${why}`,
  permits: "Tokens may",
  groups: {
    look: "see status, logs, events and manifest",
    restart: "restart services",
    shell: "open a shell, and copy files",
    manifest: "send a manifest",
  },
  noGroup: "Choose something that tokens may do.",
  life: "A token is valid for",
  minutes: (n: number) => plural(n, "minute", "minutes"),
  rememberWallet: "Remember wallet and choice on this device; never a token",
  token: "With a token",
  tokenWhy: "A JWT that the lease’s owner has signed, as a command line or another page gives it.",
  tokenLabel: "Token",
  keepToken: "Keep it in this tab until the tab is closed",
  problems: {
    empty: "Paste a token.",
    shape: "That is not a token: a token has three parts with dots between them. Copy it whole.",
    owner: "The token does not name the account that issued it.",
  },
  expiredAt: (time: string) => `The token expired at ${time}. Paste a new one.`,
  certificate: "With a client certificate",
  certificateWhy:
    "One that is published on the chain, with its key: two PEM files, or one with both. They pass through the bridge with each call, and are not stored. Providers with a certificate of a public CA do not take it.",
  certificateFiles: "PEM files",
  certificateProblems: {
    certificate: "None of the files has a certificate in PEM.",
    key: "None of the files has a private key in PEM.",
    encrypted: "The key is encrypted. The page needs it without a password.",
    owner: "The certificate does not name an account.",
  },
  account: "Account",
  how: "By",
  kinds: { none: "", wallet: "wallet", token: "pasted token", certificate: "client certificate" },
  providersOfToken: "For providers",
  everyProvider: "every provider",
  expires: "Expires",
  expiresSoon: (minutes: number) => `expires in ${plural(minutes, "minute", "minutes")}`,
  expired: "expired",
  toLeases: "Go to the leases",
};

export const providers = {
  navigation: "Providers",
  title: "Provider",
  address: "Provider address",
  addressHint: "akash1… — a provider’s address",
  show: "Show",
  empty:
    "Type a provider’s address above. The bridge finds its host on the chain, checks its certificate, and asks it.",
  live: "Live",
  refresh: "Refresh",
  asking: "Asking…",
  failed: "Failed",
  asOf: (time: string) => `As of ${time}`,
  errors: "The provider reports errors",
  method: "Method",
  endpoint: "Endpoint",
  version: "Version",
  certificate: "Certificate",
  hostNames: "Host names",
  activeLeases: "Active leases",
  reservations: "Reservations",
  pending: "Pending",
  openOrders: "Open orders",
  deployments: "Deployments",
  resources: "Resources",
  cpu: "CPU",
  gpu: "GPU",
  memory: "Memory",
  ephemeral: "Ephemeral storage",
  storage: (name: string) => `Storage ${name || "of no class"}`,
  none: "none",
  cores: "cores",
  used: (name: string) => `${name} used`,
  gpuModels: "GPU models",
  unknownGpu: "unknown",
  nodes: (n: number) => plural(n, "node", "nodes"),
  nodesTable: "Nodes",
  node: "Node",
  unnamed: "unnamed",
  storageClasses: "Storage classes",
  /** How a certificate was verified. */
  unverified: "not verified: anyone may have answered",
  pinned: "the pinned one",
  byChain: "as on the chain",
  byCa: "from a public CA, for the provider’s host",
  quorum: (equal: string, all: string) => `${equal} of ${all} chain nodes agree`,
  proven: "proven by the chain’s validators",
  oneNode: "one chain node says so",
  operator: "the bridge’s operator named the host",
};

export const lease = {
  navigation: "Leases",
  title: "Lease",
  open: "Open a lease",
  openButton: "Open",
  owner: "Owner",
  deployment: "Deployment",
  group: "Group",
  order: "Order",
  provider: "Provider",
  token: "Token",
};

const logLines = (n: number) => plural(n, "line", "lines");

export const logs = {
  title: "Logs",
  /** What the log is of: a service or all of them, and whose. */
  of: (service: string, dseq: string, provider: string) =>
    `Log of ${service ? `service ${service}` : "all services"} of lease ${dseq} at ${provider}`,
  service: "Service",
  anyService: "all",
  lastLines: "Last lines",
  allLines: "all",
  follow: "Follow",
  start: "Read the log",
  readAgain: "Read the log again",
  stop: "Stop reading",
  signIn: "Sign in to read the log.",
  /** Why the number of last lines made no difference. */
  noTail:
    "This provider’s log service (AEP-37) cannot leave out old lines: the whole log is read, whatever “Last lines” says.",
  noEvents: (why: string) => `Restarts of pods are not drawn in the log: ${why}`,
  connecting: "Connecting…",
  waiting: (why: string) => `Connecting… ${why}`,
  following: "Following",
  reading: "Reading",
  reconnecting: (why: string) => `The connection is lost. Reconnecting… ${why}`,
  stoppedReading: "Stopped reading",
  endedReading: "The log has ended",
  failedReading: "Failed",
  rate: (perSecond: number) => `${count(perSecond)} a second`,

  arrived: "The line does not say when it was written. This is when it arrived.",
  asWritten: "Show the line as it is written",
  indented: "Show as indented JSON",
  more: (n: number) => `${count(n)} more characters`,
  continues: "(continues)",
  newLines: (n: number) =>
    n === 0 ? "Go to the end" : `${count(n)} new ${n === 1 ? "line" : "lines"}`,
  held: "The log is full, and you are reading its oldest lines: no more are read until you move on.",
  empty: "No lines yet",
  emptyFilter: "No line passes the filter",
  lines: logLines,
  dropped: (kept: number, dropped: number) => `last ${count(kept)} of ${logLines(kept + dropped)}`,
  shown: (n: number, of: number) => `${count(n)} of ${logLines(of)}`,

  find: "Find",
  matchCase: "Match case",
  regex: "Regular expression",
  onlyMatches: "Only matching lines",
  previous: "Previous match",
  next: "Next match",
  matches: (n: number) =>
    n === 0 ? "No match" : `${logLines(n)} ${n === 1 ? "matches" : "match"}`,
  matchOf: (at: number, of: number) => `${count(at)} of ${count(of)}`,
  searching: (percent: number) => `searched ${percent} %`,
  badRegex: (why: string) => `This is not a regular expression: ${why}`,
  slowRegex: "This regular expression takes too long. The search was stopped.",
  searchFailed: (why: string) => `The search failed: ${why}`,

  sources: "Replicas",
  levels: "Levels",
  noLevel: "no level",
  wrap: "Wrap lines",
  times: "Times",
  asInLine: "As written",
  local: "Local",
  utc: "UTC",
  split: "Show",
  merged: "Together",
  columns: "Side by side",
  manyColumns: (n: number) => `The first ${n} replicas are shown. Choose others under “Replicas”.`,
  announce: "Announce new lines",
  copy: "Copy",
  download: "Download",
  downloadShown: "Download shown lines",
  clear: "Clear",
  copied: (n: number) => `Copied ${logLines(n)}`,
  copyFailed: "The browser did not allow copying.",
  tooMuchToCopy: "That is too much for the clipboard. Download it instead.",
  saving: (percent: number) => `Saving, ${percent} %`,
  saved: (n: number) => `Saved ${logLines(n)}`,
  saveFailed: (why: string) => `Not saved: ${why}`,
  summary: (n: number, errors: number) =>
    `${count(n)} new ${n === 1 ? "line" : "lines"}${errors > 0 ? `, ${count(errors)} with errors` : ""}`,

  gap: "Lines may be missing here.",
  lostLines: (n: number) => `${logLines(n)} ${n === 1 ? "is" : "are"} missing here.`,
  lost: (why: string) => `The connection broke: ${why}`,
  connectedAgain: (seconds: number) =>
    `Connected again after ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s.`,
  event: (name: string, reason: string, note: string) => `${name}: ${reason}. ${note}`,
  ended: "End of the log.",
  stopped: "Stopped.",
  failed: (why: string) => `The log ended: ${why}`,
};

/**
 * What a person can do about a failed call, by the error's reason. The error's message says
 * what happened; this says what to try.
 */
export const adviceByReason: Record<string, string> = {
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

  credentialMissing: "Sign in as the lease’s owner.",
  tokenExpired: "Sign in again, or paste a new token.",
  tokenNotYetValid: "Wait a moment, or check the clock of the machine that made the token.",
  tokenInvalid: "Check that the whole token was copied, and that the lease’s owner signed it.",
  tokenUnsupported: "This provider wants a client certificate: sign in with one.",
  scopeMissing:
    "Sign in again and allow it, or paste a token whose scope names this call and this lease.",
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

/** The same by its code, where there is nothing for the reason. */
export const adviceByCode: Record<string, string> = {
  DEADLINE_EXCEEDED: "It took too long. Try again.",
  UNAUTHENTICATED: "The token is missing, out of date, or of another account. Sign in again.",
  PERMISSION_DENIED: "The token does not cover this lease or this call.",
  NOT_FOUND: "There is no such lease or service on this provider.",
  UNIMPLEMENTED: "This provider cannot do that.",
  UNAVAILABLE: "Try again; if it stays, look whether the bridge is running.",
};
