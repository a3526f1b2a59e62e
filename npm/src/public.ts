// The exports shared by both entries of the package.
export type { Client, DiscoverResult } from "./client.js";
export type { LoadProgress } from "./engine/loader.js";
export { type ErrorCode, type ErrorDetails, type ErrorReason, ProviderError } from "./errors.js";
export type {
  AttestationOptions,
  Auth,
  CallOptions,
  CertificateAuth,
  ClientOptions,
  CommittedInventoryOptions,
  ContainerOptions,
  DiscoverOptions,
  DownloadOptions,
  EndpointMigrateOptions,
  ExecOptions,
  GetManifestOptions,
  HostnameMigrateOptions,
  InventoryOptions,
  LeaseEventOptions,
  LeaseId,
  LeaseOptions,
  ListLeasesOptions,
  LogOptions,
  MigrateDestination,
  RestartOptions,
  SendManifestOptions,
  ServiceFilter,
  ServiceStatusOptions,
  ShellOptions,
  StreamOptions,
  TokenAuth,
  TokenSourceAuth,
  UploadOptions,
} from "./options.js";
export type { ExecOutput } from "./shell/exec.js";
export type { FileDownload, FileProgress, FileSummary } from "./shell/files.js";
export type { Shell, ShellExit } from "./shell/shell.js";
export type { Batches, Stream } from "./stream.js";
export type { Transport } from "./transport/transport.js";
export type {
  AttestationQuote,
  Attribute,
  CallResult,
  ClusterNode,
  ClusterStorage,
  Duration,
  InventorySnapshot,
  LeaseEvent,
  LeaseList,
  LeaseState,
  ListedLease,
  LogEntry,
  LogGap,
  ManifestExpose,
  ManifestGroup,
  ManifestService,
  ProviderStatus,
  Quantity,
  ReservationsMetric,
  ResourcePair,
  RestartStatus,
  Route,
  ServiceStatus,
  StateListener,
  StreamState,
  Trust,
} from "./types.js";
