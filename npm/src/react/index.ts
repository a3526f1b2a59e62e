// akash-provider-web/react: hooks for React 18 and later, over the streams of a client.
export {
  AkashClientProvider,
  type AkashClientProviderProps,
  type ClientOption,
  type ClientSource,
} from "./context.js";
export {
  type LogLine,
  type LogsGap,
  type LogsResult,
  type UseLogsOptions,
  useLogs,
} from "./logs.js";
export { type ShellHookResult, type UseShellOptions, useShell } from "./shell.js";
export {
  type StatusResult,
  type UseProviderStatusOptions,
  type UseServiceStatusOptions,
  useProviderStatus,
  useServiceStatus,
} from "./status.js";
export type { FollowState } from "./store.js";
