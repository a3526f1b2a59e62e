import { ProviderError } from "../errors.js";
import type { Shell, ShellExit } from "./shell.js";

/** How a command ended, and what it wrote. */
export interface ExecOutput<T extends string | Uint8Array = string> {
  /** Its exit code: by custom 0 for success, and 128 and its number for a signal. */
  exitCode: number;
  /** What it wrote to its standard output. */
  stdout: T;
  /** What it wrote to its standard error. */
  stderr: T;
  /** Whether it wrote more than `maxOutputBytes`, which is left out. */
  truncated: boolean;
}

/** What a process wrote and how it ended. */
export interface Collected extends ExecOutput<Uint8Array> {
  exit: ShellExit;
}

/**
 * collect reads what a process writes, to its end, and keeps so many bytes of it: the
 * process may write on.
 */
export async function collect(shell: Shell, most: number): Promise<Collected> {
  let left = most;
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

/** textOf decodes output: what is not UTF-8 is replaced, and half a character at a cut left out. */
export function textOf(bytes: Uint8Array, truncated: boolean): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: truncated });
}

export function joined(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * withInput makes a command of another that reads so many bytes, and no more. Nothing
 * else can end a process' standard input.
 */
export function withInput(size: number, command: readonly string[]): string[] {
  return ["sh", "-c", inputScript, "sh", `${size}`, ...command];
}

/** What the script below says, and nothing else, where there is no head. */
const noHead = "akash: no head";

const inputScript = `n=$1; shift
command -v head >/dev/null 2>&1 || { echo '${noHead}' >&2; exit 127; }
head -c "$n" | "$@"`;

/** lacksHead reports whether a command of withInput could not be given its input. */
export function lacksHead({ exitCode, stderr }: Collected): boolean {
  return exitCode === 127 && textOf(stderr, false) === `${noHead}\n`;
}

/** missingTool is the error of a container that has not what is needed. */
export function missingTool(provider: string, tool: string, what: string): ProviderError {
  return new ProviderError({
    code: "FAILED_PRECONDITION",
    reason: "toolMissing",
    message: `provider ${provider}: the container has no ${tool}, which ${what} needs: use an image that has it`,
    provider,
  });
}
