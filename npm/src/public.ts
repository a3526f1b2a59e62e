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
  DiscoverOptions,
  EndpointMigrateOptions,
  GetManifestOptions,
  HostnameMigrateOptions,
  LeaseEventOptions,
  LeaseId,
  LeaseOptions,
  LogOptions,
  MigrateDestination,
  RestartOptions,
  SendManifestOptions,
  ServiceFilter,
  ServiceStatusOptions,
  StreamOptions,
  TokenAuth,
  TokenSourceAuth,
} from "./options.js";
export type { Batches, Stream } from "./stream.js";
export type { Transport } from "./transport/transport.js";
export type {
  AttestationQuote,
  Attribute,
  CallResult,
  ClusterNode,
  ClusterStorage,
  Duration,
  LeaseEvent,
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
} from "./types.js";
