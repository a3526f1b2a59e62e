import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { asProviderError, type ProviderError } from "../errors.js";
import type { ShellOptions } from "../options.js";
import type { Shell, ShellExit } from "../shell/shell.js";
import { type ClientOption, useSource } from "./context.js";
import { keyOf } from "./key.js";

/** The options of {@link useShell}. */
export interface UseShellOptions extends Omit<ShellOptions, "signal">, ClientOption {}

/** The result of {@link useShell}. */
export interface ShellHookResult {
  /** The process; undefined until the client has been created. A restart creates a new one. */
  readonly shell: Shell | undefined;
  /**
   * `idle` without options, `starting` until there is a shell, `open` until the process
   * ends, `ended` when it has, and `failed` if it could not be started or its connection
   * broke.
   */
  readonly state: "idle" | "starting" | "open" | "ended" | "failed";
  /** How the process ended; undefined if it has not, or failed. */
  readonly exit: ShellExit | undefined;
  /** Why it failed; undefined if it did not. */
  readonly error: ProviderError | undefined;
  /** Closes the process, and starts another one. The function never changes. */
  readonly restart: () => void;
}

type State = Omit<ShellHookResult, "restart"> & {
  /** An error of the program, such as an invalid option. The hook throws it. */
  fault?: unknown;
};

const idle: State = { shell: undefined, state: "idle", exit: undefined, error: undefined };

/**
 * Starts a process in a container, and closes it when the component unmounts or the content
 * of the options changes. It is not restarted automatically.
 *
 * ```tsx
 * const { shell, error } = useShell({ provider: "akash1…", lease, service: "web", auth });
 * useEffect(() => shell && attach(terminal, shell), [shell]);
 * ```
 *
 * Options may be new objects at every render. Without options the hook does nothing
 * (`idle`).
 */
export function useShell(options: UseShellOptions | undefined): ShellHookResult {
  const { client, ...call } = options ?? ({} as UseShellOptions);
  const source = useSource("useShell", client);
  const key = options && keyOf(call);
  const latest = useRef(call);
  latest.current = call;
  const [starts, setStarts] = useState(0);
  const [current, set] = useState<State>(idle);

  // biome-ignore lint/correctness/useExhaustiveDependencies: starts asks for another process
  useEffect(() => {
    if (key === undefined) {
      set(idle);
      return;
    }
    let left = false;
    let shell: Shell | undefined;
    const show = (state: State) => !left && set(state);
    const run = async () => {
      try {
        const client = await source.get();
        if (left) return;
        shell = client.shell(latest.current);
        show({ ...idle, shell, state: "open" });
        const exit = await shell.exit;
        show({ ...idle, shell, state: "ended", exit });
      } catch (cause) {
        if (cause instanceof TypeError) show({ ...idle, fault: cause });
        else show({ ...idle, shell, state: "failed", error: asProviderError(cause) });
      }
    };
    show({ ...idle, state: "starting" });
    // Delayed: in Strict Mode React mounts, unmounts and mounts again, and each mount
    // would start a process.
    const timer = setTimeout(() => void run());
    return () => {
      left = true;
      clearTimeout(timer);
      shell?.close();
    };
  }, [source, key, starts]);

  const restart = useCallback(() => setStarts((count) => count + 1), []);
  if (current.fault !== undefined) throw current.fault;
  return useMemo(() => {
    const { shell, state, exit, error } = current;
    return { shell, state, exit, error, restart };
  }, [current, restart]);
}
