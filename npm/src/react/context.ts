import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useState,
} from "react";
import type { Client } from "../client.js";
import { Source, sourceOf } from "./source.js";

/**
 * A client, a promise of one as returned by `createClient`, or a function that creates
 * one. The function is called in the browser when the first hook needs the client, and
 * again by a hook's `restart` if it failed.
 */
export type ClientSource = Client | Promise<Client> | (() => Client | Promise<Client>);

const Context = createContext<Source | undefined>(undefined);

/** The props of {@link AkashClientProvider}. */
export interface AkashClientProviderProps {
  /** The client of all hooks below. If it is a function, only the first one is used. */
  client: ClientSource;
  /** The elements that can use the client. Default: none. */
  children?: ReactNode;
}

/**
 * Provides a client to the hooks below it.
 *
 * ```tsx
 * <AkashClientProvider client={() => createClient({ bridgeUrl: "https://bridge.example.com" })}>
 *   <App />
 * </AkashClientProvider>
 * ```
 *
 * It does not close the client. Hooks end their own streams when they unmount.
 */
export function AkashClientProvider({ client, children }: AkashClientProviderProps): ReactElement {
  // A function in the markup is a new one at every render.
  const [made] = useState(() => new Source(typeof client === "function" ? client : () => client));
  const source = typeof client === "function" ? made : sourceOf(client);
  return createElement(Context.Provider, { value: source }, children);
}

/** The client of a hook. */
export interface ClientOption {
  /**
   * The client, or a promise of it, which should be the same at each render.
   * Default: that of the {@link AkashClientProvider} above.
   *
   * @example await createClient()
   */
  client?: Client | Promise<Client> | undefined;
}

/** useSource returns the source of the given client, or of the context's. */
export function useSource(hook: string, client: ClientOption["client"]): Source {
  const above = useContext(Context);
  const source = client ? sourceOf(client) : above;
  if (source) return source;
  throw new Error(
    `${hook}: there is no client: render it below an <AkashClientProvider>, or pass the option client`,
  );
}
