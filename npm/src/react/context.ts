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
 * A client, a promise of one as `createClient` returns it, or a function that makes
 * one. The function is called once, in the browser, when the first hook needs it; and
 * again by a hook's `restart` where it failed.
 */
export type ClientSource = Client | Promise<Client> | (() => Client | Promise<Client>);

const Context = createContext<Source | undefined>(undefined);

/** What {@link AkashClientProvider} takes. */
export interface AkashClientProviderProps {
  /** The client of all hooks below. Of functions, the first that is given counts. */
  client: ClientSource;
  /** What the client is given to. Default: nothing. */
  children?: ReactNode;
}

/**
 * Gives a client to the hooks below it.
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
  // Functions written into the markup are new at every render.
  const [made] = useState(() => new Source(typeof client === "function" ? client : () => client));
  const source = typeof client === "function" ? made : sourceOf(client);
  return createElement(Context.Provider, { value: source }, children);
}

/** Which client a hook uses. */
export interface ClientOption {
  /**
   * The client, or a promise of it, which should be the same at each render. Default:
   * that of the {@link AkashClientProvider} above.
   *
   * @example await createClient()
   */
  client?: Client | Promise<Client> | undefined;
}

/** useSource returns the source of the client that is given, or of the context's. */
export function useSource(hook: string, client: ClientOption["client"]): Source {
  const above = useContext(Context);
  const source = client ? sourceOf(client) : above;
  if (source) return source;
  throw new Error(
    `${hook}: there is no client: render it below an <AkashClientProvider>, or pass the option client`,
  );
}
