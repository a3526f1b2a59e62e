import type { Bytes } from "../bytes.js";
import { ProviderError } from "../errors.js";
import type { Shell, ShellExit } from "./shell.js";

/** The result of a command. */
export interface ExecOutput<T extends string | Uint8Array = string> {
  /** The exit code: by convention 0 for success, and 128 plus its number for a signal. */
  exitCode: number;
  /** Its standard output. */
  stdout: T;
  /** Its standard error. */
  stderr: T;
  /** Whether it wrote more than `maxOutputBytes`; the rest was discarded. */
  truncated: boolean;
}

/** The output of a process and how it ended. */
export interface Collected extends ExecOutput<Uint8Array> {
  exit: ShellExit;
}

/**
 * collect reads the output of a process to its end and keeps up to limit bytes of it. The
 * rest is read and discarded.
 */
export async function collect(shell: Shell, limit: number): Promise<Collected> {
  let left = limit;
  let truncated = false;
  const read = async (output: ReadableStream<Uint8Array>): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = [];
    const reader = output.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return joined(pieces);
      truncated ||= value.length > left;
      const piece = value.subarray(0, left);
      left -= piece.length;
      if (piece.length > 0) pieces.push(piece);
    }
  };
  const [stdout, stderr, exit] = await Promise.all([
    read(shell.stdout),
    read(shell.stderr),
    shell.exit,
  ]);
  return { exitCode: exit.code, stdout, stderr, truncated, exit };
}

/**
 * textOf decodes output: invalid UTF-8 is replaced, and an incomplete character at the end
 * of truncated output is dropped.
 */
export function textOf(bytes: Uint8Array, truncated: boolean): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: truncated });
}

export function joined(pieces: Uint8Array[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * withInput wraps a command so that its standard input ends after size bytes. Providers
 * cannot end a process's standard input.
 */
export function withInput(size: number, command: readonly string[]): string[] {
  return ["sh", "-c", inputScript, "sh", `${size}`, ...command];
}

/** The only output of the script below if there is no head. */
const noHead = "akash: no head";

const inputScript = `n=$1; shift
command -v head >/dev/null 2>&1 || { echo '${noHead}' >&2; exit 127; }
head -c "$n" | "$@"`;

/** lacksHead reports whether a command of withInput could not be given its input. */
export function lacksHead({ exitCode, stderr }: Collected): boolean {
  return exitCode === 127 && textOf(stderr, false) === `${noHead}\n`;
}

/** missingTool returns the error for a container without a program that is needed. */
export function missingTool(provider: string, tool: string, what: string): ProviderError {
  return new ProviderError({
    code: "FAILED_PRECONDITION",
    reason: "toolMissing",
    message: `provider ${provider}: the container has no ${tool}, which ${what} requires: use an image that has it`,
    provider,
  });
}
