// What both entries of the package export.
export type { Client, DiscoverOptions, DiscoverResult } from "./client.js";
export { type ErrorCode, type ErrorDetails, ProviderError } from "./errors.js";
export type {
  Auth,
  CallOptions,
  ClientOptions,
  LeaseId,
  LeaseOptions,
  LogOptions,
  RestartOptions,
  ServiceFilter,
  ServiceStatusOptions,
  StreamOptions,
} from "./options.js";
export type { Stream } from "./stream.js";
export type {
  Attribute,
  CallResult,
  ClusterNode,
  ClusterStorage,
  Duration,
  LogEntry,
  ProviderStatus,
  Quantity,
  ReservationsMetric,
  ResourcePair,
  RestartStatus,
  Route,
  ServiceStatus,
} from "./types.js";
