// A user's React app, which the test bundles with one version of React or another.

import { Component, Fragment, type ReactNode, StrictMode, useEffect, version } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import type { Client, ProviderStatus, ServiceStatus } from "../../src/index.js";
import {
  AkashClientProvider,
  type LogsResult,
  type StatusResult,
  type UseLogsOptions,
  type UseServiceStatusOptions,
  useLogs,
  useProviderStatus,
  useServiceStatus,
} from "../../src/react/index.js";

/** What the app shows; it crosses from the test to the page. */
export interface Props {
  provider?: string | undefined;
  logs?: Omit<UseLogsOptions, "client"> | undefined;
  services?: Omit<UseServiceStatusOptions, "client"> | undefined;
  /** How many components show the provider's status. Default: 1. */
  watchers?: number;
  /** Whether React mounts everything twice, to find mistakes. Default: true. */
  strict?: boolean;
}

export interface App {
  /** React's. */
  version: string;
  render(props: Props): void;
  hydrate(props: Props): void;
  unmount(): void;
  /** How often the component of the logs has rendered. */
  renders: number;
  /** What the hooks returned last. */
  logs: LogsResult;
  status: StatusResult<ProviderStatus>;
  services: StatusResult<ServiceStatus[]>;
  /** The different functions that useLogs has returned. */
  functions: Set<unknown>;
  /** What a boundary caught. */
  caught: string;
}

declare global {
  var app: App;
  /** How a page makes its client. */
  var makeClient: () => Promise<Client>;
}

function Logs({ options }: { options: Omit<UseLogsOptions, "client"> }) {
  // Written anew at each render, as people do.
  const logs = useLogs({ ...options, lease: { ...options.lease } });
  app.renders++;
  app.logs = logs;
  useEffect(() => {
    for (const f of [logs.pause, logs.resume, logs.clear, logs.restart]) app.functions.add(f);
  }, [logs]);
  return (
    <p id="logs">
      {logs.state}: {logs.lines.length} lines{logs.error && `, ${logs.error.message}`}
    </p>
  );
}

function Status({ provider }: { provider: string | undefined }) {
  const status = useProviderStatus(provider, { timeoutMs: 20_000 });
  app.status = status;
  return (
    <p className="status">
      {status.state}: {status.data ? status.data.cluster?.leases?.active : "no"} leases
    </p>
  );
}

function Services({ options }: { options: Props["services"] }) {
  app.services = useServiceStatus(options);
  return (
    <ul>
      {app.services.data?.map(({ name }) => (
        <li key={name}>{name}</li>
      ))}
    </ul>
  );
}

class Boundary extends Component<{ children: ReactNode }> {
  override state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  override componentDidCatch(error: unknown) {
    app.caught = String(error);
  }
  override render() {
    return this.state.failed ? "failed" : this.props.children;
  }
}

/** The app, as the server renders it, too. */
export function Page({ provider, logs, services, watchers = 1, strict = true }: Props) {
  const all = Array.from({ length: watchers }, (_, i) => `watcher ${i}`);
  const Mode = strict ? StrictMode : Fragment;
  return (
    <Mode>
      <Boundary>
        <AkashClientProvider client={() => makeClient()}>
          {logs && <Logs options={logs} />}
          {services && <Services options={services} />}
          {all.map((watcher) => (
            <Status key={watcher} provider={provider} />
          ))}
        </AkashClientProvider>
      </Boundary>
    </Mode>
  );
}

let root: Root | undefined;
let main: Element | undefined;

globalThis.app = {
  version,
  renders: 0,
  logs: undefined as never,
  status: undefined as never,
  services: undefined as never,
  functions: new Set(),
  caught: "",
  render(props) {
    main ??= document.body.appendChild(document.createElement("main"));
    root ??= createRoot(main);
    root.render(<Page {...props} />);
  },
  hydrate(props) {
    main = document.querySelector("main") as Element;
    root = hydrateRoot(main, <Page {...props} />);
  },
  unmount() {
    root?.unmount();
    root = undefined;
    main?.remove();
    main = undefined;
  },
};
