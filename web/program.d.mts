/** A running program. */
export interface Program {
  /** The content of its ready line. */
  // biome-ignore lint/suspicious/noExplicitAny: each program's own
  readonly ready: any;
  /** Resolves with its exit code or signal. */
  readonly ended: Promise<number | string | null>;
  /** The last 64 KB of its stderr. */
  errors(): string;
  /** Stops it as Ctrl-C does, and kills it if it does not exit. */
  stop(): Promise<void>;
  /** Stops it as a process manager does, and waits for as long as it takes. */
  terminate(): Promise<void>;
  /** Kills it, as a crash would. */
  kill(): Promise<void>;
}

/**
 * Starts a program and waits until it is ready. If it ends before that, the error
 * contains its stderr.
 */
export function start(
  file: string,
  args: string[],
  options?: {
    /** Does not copy its stderr to this program's stderr. Default: false. */
    quiet?: boolean;
  },
): Promise<Program>;
