import { useMemo, useSyncExternalStore } from "react";
import type { Client } from "../client.js";
import type { ProviderError } from "../errors.js";
import type { ServiceStatusOptions, StreamOptions } from "../options.js";
import type { Stream } from "../stream.js";
import type { ProviderStatus, Route, ServiceStatus } from "../types.js";
import { type ClientOption, useSource } from "./context.js";
import { keyOf } from "./key.js";
import type { Source } from "./source.js";
import { Follower, type FollowState, type Open, type Snapshot } from "./store.js";
import { useStore } from "./use-store.js";

/** The result of a status hook. */
export interface StatusResult<T> {
  /** The latest status; undefined until there is one. An error does not remove it. */
  readonly data: T | undefined;
  readonly state: FollowState;
  /**
   * The error that ended the stream; undefined if it has not ended, or ended normally.
   */
  readonly error: ProviderError | undefined;
  /** Why the stream is not open while it reconnects (`stream.error`). */
  readonly waiting: ProviderError | undefined;
  /** When the next connection is made, after one has failed (`stream.retryAt`). */
  readonly retryAt: number | undefined;
  /** How the provider was reached (`stream.route`). */
  readonly route: Route | undefined;
  /** Connects at once instead of waiting until {@link retryAt}. The function never changes. */
  readonly retryNow: () => void;
  /** Starts again, even after an error. The function never changes. */
  readonly restart: () => void;
}

/** The options for following a provider's status. */
export interface UseProviderStatusOptions
  extends Omit<StreamOptions, "signal" | "onState">,
    ClientOption {}

/** The services whose status to follow. */
export interface UseServiceStatusOptions
  extends Omit<ServiceStatusOptions, "signal" | "onState">,
    ClientOption {
  /**
   * Whether to continue with every change. Default: true.
   *
   * @example false
   */
  follow?: boolean;
}

interface StatusSnapshot<T> extends Snapshot {
  readonly data: T | undefined;
}

/** StatusStore keeps the latest item of a stream. */
class StatusStore<T> extends Follower<T, StatusSnapshot<T>> {
  #data: T | undefined;
  readonly #onRelease: () => void;

  constructor(source: Source, open: Open<T>, onRelease: () => void = () => {}) {
    super(source, open);
    this.#onRelease = onRelease;
  }

  protected take(items: T[]): void {
    this.#data = items.at(-1) ?? this.#data;
  }

  protected reset(): void {}

  protected make(): StatusSnapshot<T> {
    return { data: this.#data, ...this.common };
  }

  protected override released(): void {
    this.#onRelease();
  }
}

const idle: StatusSnapshot<never> = {
  data: undefined,
  state: "idle",
  error: undefined,
  waiting: undefined,
  retryAt: undefined,
  route: undefined,
  fault: undefined,
};
const connecting: StatusSnapshot<never> = { ...idle, state: "connecting" };

/** The stores of provider statuses that have listeners, by what they follow. */
const shared = new WeakMap<Source, Map<string, StatusStore<ProviderStatus>>>();

/** Handle is a component's reference to a store that it may share with others. */
class Handle {
  readonly #source: Source;
  /** Undefined if there is nothing to follow. */
  readonly #key: string | undefined;
  readonly #open: (client: Client) => Stream<ProviderStatus>;

  constructor(source: Source, key: string | undefined, address: string, call: StreamOptions) {
    this.#source = source;
    this.#key = key;
    this.#open = (client) => client.streamProviderStatus(address, call);
  }

  #store(): StatusStore<ProviderStatus> | undefined {
    return this.#key === undefined ? undefined : shared.get(this.#source)?.get(this.#key);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const key = this.#key;
    if (key === undefined) return () => {};
    const stores = shared.get(this.#source) ?? new Map<string, StatusStore<ProviderStatus>>();
    shared.set(this.#source, stores);
    const store =
      stores.get(key) ?? new StatusStore(this.#source, this.#open, () => stores.delete(key));
    stores.set(key, store);
    return store.subscribe(listener);
  };

  readonly getServerSnapshot = (): StatusSnapshot<ProviderStatus> =>
    this.#key === undefined ? idle : connecting;

  readonly getSnapshot = (): StatusSnapshot<ProviderStatus> =>
    this.#store()?.getSnapshot() ?? this.getServerSnapshot();

  readonly restart = (): void => this.#store()?.restart();
  readonly retryNow = (): void => this.#store()?.retryNow();
}

/**
 * Follows a provider's status while the component is mounted. Components that follow
 * the same provider share one stream.
 *
 * ```tsx
 * const { data, state, error } = useProviderStatus("akash1…");
 * if (error) return <p>{error.message}</p>;
 * return <p>{data ? `${data.cluster?.leases?.active} leases` : "…"}</p>;
 * ```
 *
 * Without an address it does nothing (`idle`). On a server it returns its initial
 * value: no data, `connecting`.
 */
export function useProviderStatus(
  address: string | undefined,
  options: UseProviderStatusOptions = {},
): StatusResult<ProviderStatus> {
  const { client, ...call } = options;
  const source = useSource("useProviderStatus", client);
  const key = address === undefined ? undefined : keyOf([address, call]);
  const handle = useStore(source, key, () => new Handle(source, key, address ?? "", call));
  const snapshot = useSyncExternalStore(
    handle.subscribe,
    handle.getSnapshot,
    handle.getServerSnapshot,
  );
  return useResult(snapshot, handle.restart, handle.retryNow);
}

/**
 * Follows the status of a lease's services while the component is mounted.
 *
 * ```tsx
 * const { data, error } = useServiceStatus({ provider: "akash1…", lease, auth });
 * return <ul>{data?.map(({ name, status }) => <li key={name}>{name}: {status?.availableReplicas}</li>)}</ul>;
 * ```
 *
 * Options may be new objects at every render: the stream restarts only if their
 * content changes. A changed `getToken` does not restart it; the one at the start of
 * the stream is used. Without options the hook does nothing (`idle`).
 */
export function useServiceStatus(
  options: UseServiceStatusOptions | undefined,
): StatusResult<ServiceStatus[]> {
  const { client, ...call } = options ?? ({} as UseServiceStatusOptions);
  const source = useSource("useServiceStatus", client);
  const store = useStore(
    source,
    options && keyOf(call),
    () =>
      new StatusStore<ServiceStatus[]>(
        source,
        options && ((client) => client.streamServiceStatus({ follow: true, ...call })),
      ),
  );
  const initial = options ? connecting : idle;
  const snapshot = useSyncExternalStore<StatusSnapshot<ServiceStatus[]>>(
    store.subscribe,
    store.getSnapshot,
    () => initial,
  );
  return useResult(snapshot, store.restart, store.retryNow);
}

function useResult<T>(
  { data, state, error, waiting, retryAt, route, fault }: StatusSnapshot<T>,
  restart: () => void,
  retryNow: () => void,
): StatusResult<T> {
  if (fault !== undefined) throw fault;
  return useMemo(
    () => ({ data, state, error, waiting, retryAt, route, restart, retryNow }),
    [data, state, error, waiting, retryAt, route, restart, retryNow],
  );
}
