/** A program that runs. */
export interface Program {
  /** What its ready line says. */
  // biome-ignore lint/suspicious/noExplicitAny: each program's own
  readonly ready: any;
  /** Settles with its exit code or signal. */
  readonly ended: Promise<number | string | null>;
  /** What it has written to stderr, the last 64 KB. */
  errors(): string;
  /** Ends it, by force if it does not listen. */
  stop(): Promise<void>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
}

/**
 * Starts a program and waits until it is ready. Where it ends before that, the
 * error holds what it wrote to stderr.
 */
export function start(
  file: string,
  args: string[],
  options?: {
    /** Keeps its stderr off this program's own. Default: false. */
    quiet?: boolean;
  },
): Promise<Program>;
