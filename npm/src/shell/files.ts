// Transfers files of a container. Providers have no API for files, so programs of the
// container read and write them, run by scripts that get every name as a separate argument,
// so that no name is interpreted.

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { Bytes } from "../bytes.js";
import { asProviderError, type ErrorCode, ProviderError } from "../errors.js";
import { missingTool } from "./exec.js";
import { iterable } from "./iterable.js";
import type { Shell } from "./shell.js";

/** The progress of a transfer. */
export interface FileProgress {
  /** Transferred bytes. */
  transferred: number;
  /** Total bytes; undefined if unknown. */
  total: number | undefined;
}

/** A file that is being downloaded. */
export interface FileDownload {
  /** The content. It fails with a {@link ProviderError} if it is incomplete. */
  stream: ReadableStream<Bytes>;
  /**
   * The size in bytes; undefined for a directory, and for anything that is not a regular
   * file.
   */
  size: number | undefined;
  /**
   * Resolves when everything has arrived, and rejects if the stream fails. The stream must
   * be read.
   */
  done: Promise<FileSummary>;
}

/** The summary of a completed transfer. */
export interface FileSummary {
  /** Total bytes. */
  size: number;
  /** The SHA-256 of the data, in hex. */
  sha256: string;
  /**
   * Whether the container has computed the same SHA-256. It cannot without `sha256sum` or,
   * for the archive of a directory and for anything that is not a regular file, `tee`.
   */
  verified: boolean;
}

/** How scripts begin: they say which program is missing, and take their word from $1. */
const begin = (tools: string) => `say() { printf '%s %s\\n' "$1" "$2" >&2; }
word=$1; shift
for tool in ${tools}; do command -v "$tool" >/dev/null 2>&1 || { say "$word" "missing $tool"; exit 127; }; done
has() { command -v "$1" >/dev/null 2>&1; }
sum() { has sha256sum && sha256sum | head -c 64; }
`;

/**
 * Runs a program whose output is sent, and computes its SHA-256 on the way. In a pipe only
 * the last program's exit code is known, so that of the first is written, if it failed.
 */
const sendFunction = `send() {
if has sha256sum && has tee && has head && ( : >/dev/fd/3 ) 3>&1 2>/dev/null; then
exec 3>&1
sha256=$({ "$@" 3>&- || say "$word" "code $?"; } | tee /dev/fd/3 | sum)
say "$word" "sha256 $sha256"
exit 0
fi
exec "$@"
}
`;

/**
 * Reads the file $1. It first writes the size in a line, or "-" if there is none, and then
 * at most that many bytes, since the file may grow.
 */
const readFileScript = `${begin("cat head wc printf")}${sendFunction}
if [ -d "$1" ]; then say "$word" directory; exit 1; fi
[ -r "$1" ] || { cat "$1" >/dev/null; exit 1; }
if ! [ -f "$1" ]; then printf -- '-\\n'; send cat "$1"; fi
size=$(stat -L -c %s "$1" 2>/dev/null || wc -c <"$1") || exit 1
if [ "$size" -eq 0 ]; then printf -- '-\\n'; send cat "$1"; fi
printf '%s\\n' "$size"
head -c "$size" "$1" || exit
say "$word" "sha256 $(head -c "$size" "$1" | sum)"
`;

/** Reads the directory $1 as an archive. */
const readDirectoryScript = `${begin("tar printf")}${sendFunction}
printf -- '-\\n'
send tar -C "$1" -cf - .
`;

/**
 * Receives $2 bytes in a file, whose name is in part, until it is told what to do with it.
 * First it writes the ID of its process, by which it can be ended: providers cannot end the
 * standard input of a script whose client is gone.
 */
const receive = `drop() { rm -f "$part"; exit "\${1:-1}"; }
trap drop HUP INT TERM
say "$word" "pid $$"
head -c "$2" >"$part" || drop $?
[ "$(wc -c <"$part")" -eq "$2" ] || drop
if [ "\${3:--}" != - ]; then chmod "$3" "$part" || drop; fi
say "$word" "sha256 $(sum <"$part")"
read -r answer
[ "$answer" = keep ] || drop
`;

/**
 * Writes $2 bytes to a file beside $1, and replaces $1 by it when told to. If the script is
 * interrupted, $1 is unchanged.
 */
const writeFileScript = `${begin("head wc mv rm printf")}
if [ -d "$1" ]; then say "$word" directory; exit 1; fi
part=$1.$word.part
${receive}
mv -f "$part" "$1" || drop $?
`;

/** Unpacks an archive of $2 bytes in the directory $1, when told to. */
const writeDirectoryScript = `${begin("head wc mkdir rm tar printf")}
mkdir -p "$1" || exit
part=$1/.$word.part
set -- "$1" "$2"
${receive}
tar -C "$1" -xf "$part"
drop $?
`;

/**
 * Ends the script with the process ID $4 and the word $1, if it still runs, and removes the
 * file that it writes beside the file, or into the directory, $2. The process is looked at first, since its
 * ID may be that of another by now.
 */
const dropScript = `word=$1
case $(cat "/proc/$4/cmdline" 2>/dev/null) in
*"$word"*) kill -- "-$4" 2>/dev/null || kill "$4" ;;
esac
if [ "$3" = directory ]; then rm -f "$2/.$word.part"; else rm -f "$2.$word.part"; fi
`;

/** How a script is run. */
export interface Run {
  command: string[];
  /** The prefix of its lines on standard error, a random one. */
  word: string;
}

function run(script: string, args: string[]): Run {
  // Not randomUUID, which is not available to pages over http.
  const word = `akash-${bytesToHex(crypto.getRandomValues(new Uint8Array(12)))}`;
  return { command: ["sh", "-c", script, "sh", word, ...args], word };
}

/** A path as an argument that cannot be an option. */
const argument = (path: string) => (path.startsWith("-") ? `./${path}` : path);

export const readScript = (path: string, directory: boolean): Run =>
  run(directory ? readDirectoryScript : readFileScript, [argument(path)]);

export const writeScript = (
  path: string,
  size: number,
  mode: string | undefined,
  directory: boolean,
): Run =>
  run(directory ? writeDirectoryScript : writeFileScript, [
    argument(path),
    `${size}`,
    mode || "-", // an empty one would end the command
  ]);

/** dropCommand returns the command that removes what an interrupted upload has left. */
export const dropCommand = (
  word: string,
  path: string,
  directory: boolean,
  pid: string,
): string[] => {
  const what = directory ? "directory" : "file";
  return ["sh", "-c", dropScript, "sh", word, argument(path), what, pid];
};

/** The maximum size of the programs' error messages, in bytes. */
const maxComplaint = 16 * 1024;

/** The standard error of a script: its own lines, and the error messages of programs. */
class Words {
  readonly #word: string;
  readonly #said = new Map<string, string>();
  #rest = "";
  complaint = "";
  #wake: () => void = () => {};
  readonly over: Promise<void>;

  constructor(stderr: ReadableStream<Uint8Array>, word: string) {
    this.#word = word;
    this.over = this.#read(stderr).then(
      () => this.#wake(),
      () => this.#wake(),
    );
  }

  async #read(stderr: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    const reader = stderr.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (this.#rest + decoder.decode(value, { stream: true })).split("\n");
      this.#rest = (lines.pop() ?? "").slice(0, maxComplaint);
      for (const line of lines) this.#take(line);
    }
    if (this.#rest) this.#take(this.#rest);
  }

  #take(line: string): void {
    if (line.startsWith(`${this.#word} `)) {
      const [name = "", ...rest] = line.slice(this.#word.length + 1).split(" ");
      this.#said.set(name, rest.join(" "));
      this.#wake();
    } else if (this.complaint.length < maxComplaint) {
      this.complaint += `${this.complaint && "; "}${line.trim()}`;
    }
  }

  /** said returns the text after a name, or undefined if the script has not written it. */
  said(name: string): string | undefined {
    return this.#said.get(name);
  }

  /** hear waits until the script has written a name, or has ended. */
  async hear(name: string): Promise<string | undefined> {
    let over = false;
    void this.over.then(() => {
      over = true;
    });
    while (!this.#said.has(name) && !over) {
      await Promise.race([
        this.over,
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
      ]);
      await undefined;
    }
    return this.said(name);
  }
}

/** The parameters of a transfer. */
export interface Transfer {
  provider: string;
  path: string;
  directory: boolean;
  onProgress: ((progress: FileProgress) => void) | undefined;
}

/** failed returns the error of a script that ended with an exit code other than 0. */
function failed(
  { provider, path, directory }: Transfer,
  words: Words,
  code: number,
): ProviderError {
  const missing = words.said("missing");
  const what = directory ? "a directory" : "a file";
  if (missing) return missingTool(provider, missing, `the transfer of ${what}`);
  let text = words.complaint;
  if (words.said("directory") !== undefined) {
    text = "it is a directory: set the option directory";
  }
  return fileError(provider, path, text || `its program ended with the exit code ${code}`);
}

function fileError(provider: string, path: string, text: string, cause?: unknown): ProviderError {
  const codes: [RegExp, ErrorCode][] = [
    [/no such file|nonexistent|not a directory/i, "NOT_FOUND"],
    [/permission denied|read-only/i, "PERMISSION_DENIED"],
    [/no space left|disk quota/i, "RESOURCE_EXHAUSTED"],
  ];
  const found = codes.find(([pattern]) => pattern.test(text));
  return new ProviderError({
    code: found?.[1] ?? "FAILED_PRECONDITION",
    reason: "fileFailed",
    message: `provider ${provider}: ${JSON.stringify(path)}: ${text}`,
    provider,
    cause,
  });
}

/**
 * Returns the error for a script that could not be started, which names the missing shell
 * if that is the cause.
 */
function startError(transfer: Transfer, cause: unknown): ProviderError {
  const error = asProviderError(cause, transfer.provider);
  return error.reason === "commandNotFound"
    ? missingTool(transfer.provider, "sh", "the transfer of a file")
    : error;
}

const lineFeed = 10;
/** The maximum length of the line with the size. */
const maxHead = 32;

/** download reads a file with a running script. It returns when the size is known. */
export async function download(
  shell: Shell,
  word: string,
  transfer: Transfer,
): Promise<FileDownload> {
  const { provider, path, onProgress } = transfer;
  const words = new Words(shell.stderr, word);
  const reader = shell.stdout.getReader();
  let head = new Uint8Array(0) as Bytes;
  let end = -1;
  try {
    while (end < 0) {
      const { done, value } = await reader.read();
      if (done) {
        await words.over;
        throw failed(transfer, words, (await shell.exit).code);
      }
      const longer = new Uint8Array(head.length + value.length);
      longer.set(head);
      longer.set(value, head.length);
      head = longer;
      end = head.indexOf(lineFeed);
      if (end < 0 && head.length > maxHead) throw fileError(provider, path, "its size is not told");
    }
  } catch (cause) {
    shell.close();
    throw startError(transfer, cause);
  }
  const told = new TextDecoder().decode(head.subarray(0, end));
  const size = told === "-" ? undefined : Number(told);
  let first: Bytes | undefined = head.subarray(end + 1);
  let settle!: (summary: FileSummary) => void;
  let refuse!: (error: unknown) => void;
  const done = new Promise<FileSummary>((resolve, reject) => {
    settle = resolve;
    refuse = reject;
  });
  done.catch(() => {}); // readers of the stream get the error, too
  const hash = sha256.create();
  let transferred = 0;
  const finish = async (): Promise<FileSummary> => {
    const exit = await shell.exit;
    await words.over;
    const code = exit.code || Number(words.said("code") ?? 0);
    if (code !== 0) throw failed(transfer, words, code);
    if (size !== undefined && transferred !== size) {
      throw fileError(
        provider,
        path,
        `only ${transferred} of its ${size} bytes came: it was cut while it was read`,
      );
    }
    const sum = bytesToHex(hash.digest());
    const theirs = words.said("sha256");
    if (theirs && theirs !== sum) {
      throw fileError(
        provider,
        path,
        size === undefined
          ? "what came is not what the container sent"
          : "what came is not what the container has: it changed while it was read",
      );
    }
    return { size: transferred, sha256: sum, verified: Boolean(theirs) };
  };
  const stream = new ReadableStream<Bytes>(
    {
      async pull(out) {
        try {
          for (;;) {
            let piece: Bytes | undefined = first;
            first = undefined;
            piece ??= (await reader.read()).value;
            if (!piece) {
              const summary = await finish();
              out.close();
              settle(summary);
              return;
            }
            if (piece.length === 0) continue;
            hash.update(piece);
            transferred += piece.length;
            out.enqueue(piece);
            onProgress?.({ transferred, total: size });
            return;
          }
        } catch (cause) {
          shell.close();
          const error = asProviderError(cause, provider);
          refuse(error);
          throw error;
        }
      },
      cancel() {
        shell.close();
        refuse(fileError(provider, path, "the download was cancelled"));
      },
    },
    { highWaterMark: 0 },
  );
  return { stream: iterable(stream), size, done };
}

/**
 * upload writes a file with a running script. If it fails while the script runs, it calls
 * onLeft with the ID of the script's process.
 */
export async function upload(
  shell: Shell,
  word: string,
  transfer: Transfer,
  data: ReadableStream<Uint8Array>,
  size: number,
  onLeft: (pid: string) => void,
): Promise<FileSummary> {
  const { provider, path, onProgress } = transfer;
  const words = new Words(shell.stderr, word);
  shell.stdout.cancel().catch(() => {});
  const source = data.getReader();
  const stdin = shell.stdin.getWriter();
  const hash = sha256.create();
  let transferred = 0;
  let over = false;
  let broken: unknown;
  shell.exit
    .then(
      () => {
        over = true;
      },
      (error) => {
        broken = error;
      },
    )
    // The data may be what is waited for.
    .then(() => source.cancel(broken))
    .catch(() => {});
  /** ended returns the error of a script that ended too early. */
  const ended = async (): Promise<never> => {
    const { code } = await shell.exit;
    await words.over;
    throw failed(transfer, words, code);
  };
  try {
    for (;;) {
      const { done, value } = await source.read();
      if (broken) throw broken;
      if (over) await ended();
      if (done) break;
      if (transferred + value.length > size) {
        throw new TypeError(`data is longer than its size of ${size} bytes`);
      }
      hash.update(value);
      await stdin.write(value).catch(ended);
      transferred += value.length;
      onProgress?.({ transferred, total: size });
    }
    if (transferred < size) {
      throw new TypeError(`data has ${transferred} bytes, and not its size of ${size}`);
    }
    const theirs = await words.hear("sha256");
    if (theirs === undefined) await ended();
    const sum = bytesToHex(hash.digest());
    const equal = !theirs || theirs === sum;
    await stdin.write(equal ? "keep\n" : "drop\n").catch(ended);
    if (!equal) {
      throw fileError(provider, path, "what arrived is not what was sent; it was left as it was");
    }
    const { code } = await shell.exit;
    await words.over;
    if (code !== 0) throw failed(transfer, words, code);
    return { size, sha256: sum, verified: Boolean(theirs) };
  } catch (cause) {
    source.cancel(cause).catch(() => {});
    shell.close();
    const pid = words.said("pid");
    if (pid && !over) onLeft(pid);
    if (cause instanceof TypeError) throw cause;
    throw startError(transfer, cause);
  }
}
