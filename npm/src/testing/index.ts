// akash-provider-web/testing: a fake provider, a fake chain and a bridge in front of them,
// for tests. It requires Node.
export type {
  CertificateKind,
  ClientCertificateKind,
  Fault,
  ReplaceOptions,
  Replica,
  ReplicaLog,
  SeenRequest,
  StreamCounts,
  TestPod,
  TestStatus,
  TokenClaims,
  TokenOptions,
} from "./control.js";
export {
  startTestProvider,
  type TestAuth,
  type TestBridge,
  type TestLease,
  TestProvider,
  type TestProviderInfo,
  type TestProviderOptions,
  type TestserverReady,
} from "./provider.js";
