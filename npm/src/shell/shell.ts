import type { EngineStream } from "../engine/engine.js";
import {
  type ShellPiece,
  shellResult,
  shellStderr,
  shellStdout,
  shellTaken,
} from "../engine/entries.js";
import { asProviderError, ProviderError } from "../errors.js";
import { resizeMessage, stdinMessage, usedMessage } from "./messages.js";

/** How much output may have come and not been read, in bytes. */
export const outputWindow = 256 * 1024;

/**
 * How much standard input may be on the way, in bytes: what the bridge holds, so that it
 * always hears what else is said (proto/akash/provider/web/v1/shell.proto).
 */
const inputWindow = 256 * 1024;

/** The longest piece of standard input that the bridge takes, in bytes. */
const maxPiece = 64 * 1024;

/** How a process ended. */
export interface ShellExit {
  /** Its exit code: by custom 0 for success, and 128 and its number for a signal. */
  code: number;
  /** What the provider says of it; empty as a rule. */
  message: string;
}

/**
 * A process in a container of a lease. It begins at once, and goes on until it ends by
 * itself or is closed.
 *
 * ```ts
 * const shell = client.shell({ provider, lease, service: "web", auth });
 * const keys = shell.stdin.getWriter();
 * terminal.onData((text) => keys.write(text));
 * terminal.onResize(({ cols, rows }) => shell.resize(cols, rows));
 * for await (const bytes of shell.stdout) terminal.write(bytes);
 * console.log((await shell.exit).code);
 * ```
 *
 * A process whose output is not read waits, and so does whoever writes to one that does
 * not read: 256 KiB are held each way. Read both `stdout` and `stderr`, or cancel the one
 * that is not wanted. Where the connection breaks, everything fails with a
 * {@link ProviderError} whose reason is `shellBroken`: a process is never resumed, and
 * whether it still runs cannot be told.
 */
export class Shell {
  /**
   * Its standard input: bytes, or text, which is sent as UTF-8. A write is done once its
   * bytes are on the way. To close it tells the process nothing, since providers have no
   * way to: with a terminal, write `"\x04"` (ctrl-D) instead.
   */
  readonly stdin: WritableStream<Uint8Array | string>;
  /** Its output. With a terminal, its errors come here, too. */
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Its errors; nothing with a terminal. */
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * How it ended. It is rejected with a {@link ProviderError} where it could not be
   * started, the connection broke, or it was closed.
   */
  readonly exit: Promise<ShellExit>;

  readonly #stream: EngineStream<ShellPiece>;
  readonly #provider: string;
  readonly #sized: boolean;
  readonly #out = new Output((bytes) => this.#used(bytes));
  readonly #err = new Output((bytes) => this.#used(bytes));
  readonly #onEnd: () => void;
  /** Why nothing can be written any more. */
  #over: ProviderError | undefined;
  #broken: ProviderError | undefined;
  #stdin!: WritableStreamDefaultController;
  /** Standard input that was sent and not taken, in bytes. */
  #untaken = 0;
  #taken: () => void = () => {};
  /** Output that was read of which the bridge does not know, in bytes; undefined without a window. */
  #unsaid: number | undefined;

  /** @internal */
  constructor(
    stream: EngineStream<ShellPiece>,
    { provider, tty = false, stdin = false, window = 0 }: ShellCall,
    onEnd: () => void,
  ) {
    this.#stream = stream;
    this.#provider = provider;
    this.#sized = tty && stdin;
    this.#onEnd = onEnd;
    if (window > 0) this.#unsaid = 0;
    this.stdout = this.#out.stream;
    this.stderr = this.#err.stream;
    this.stdin = new WritableStream({
      start: (controller) => {
        this.#stdin = controller;
      },
      write: (chunk) => {
        if (!stdin) throw new TypeError("the process has no standard input: leave out stdin");
        return this.#write(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
      },
    });
    this.exit = this.#run();
    this.exit.catch(() => {}); // who reads the output is told as well
  }

  /**
   * Tells the process the size of its terminal, in characters, 1 to 65,535. It can be
   * told at any time, and counts from the start if it is told at once.
   */
  resize(columns: number, rows: number): void {
    for (const [name, value] of Object.entries({ columns, rows })) {
      if (!Number.isInteger(value) || value < 1 || value > 0xffff) {
        throw new TypeError(`${name} must be a whole number from 1 to 65535, not ${value}`);
      }
    }
    if (!this.#sized) {
      throw new TypeError("only a process with a terminal and standard input has a size");
    }
    if (!this.#over) this.#stream.send(resizeMessage(columns, rows));
  }

  /**
   * Leaves the process. One with a terminal gets a ctrl-C and a ctrl-D, which end most
   * shells; any other runs on, for providers have no way to end it.
   */
  close(): void {
    this.stop(
      new ProviderError({
        code: "CANCELLED",
        message: `provider ${this.#provider}: the shell was closed`,
        provider: this.#provider,
      }),
    );
  }

  /** @internal Ends it for a reason. */
  stop(error: ProviderError): void {
    if (this.#over) return;
    this.#broken = error;
    this.#stream.close(error);
  }

  async #run(): Promise<ShellExit> {
    let exit: ShellExit | undefined;
    try {
      for (;;) {
        const pieces = await this.#stream.read();
        if (!pieces) break;
        for (const piece of pieces) exit = this.#take(piece) ?? exit;
      }
      if (!exit) throw this.#broke("the call ended before the process had");
      this.#finish(this.#ended());
      for (const output of [this.#out, this.#err]) output.finish();
      return exit;
    } catch (cause) {
      const error = this.#broken ?? this.#told(asProviderError(cause, this.#provider));
      this.#finish(error);
      for (const output of [this.#out, this.#err]) {
        if (this.#broken) output.drop(); // it was left
        output.finish(error);
      }
      throw error;
    }
  }

  #take({ kind, number, bytes }: ShellPiece): ShellExit | undefined {
    switch (kind) {
      case shellStdout:
        this.#out.take(bytes);
        break;
      case shellStderr:
        this.#err.take(bytes);
        break;
      case shellTaken:
        this.#untaken = Math.max(0, this.#untaken - number);
        this.#taken();
        break;
      case shellResult:
        return { code: number, message: new TextDecoder().decode(bytes) };
    }
    return undefined;
  }

  #used(bytes: number): void {
    if (this.#unsaid === undefined || this.#over) return;
    this.#unsaid += bytes;
    if (this.#unsaid < outputWindow / 4) return;
    this.#stream.send(usedMessage(this.#unsaid));
    this.#unsaid = 0;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + maxPiece);
      while (this.#untaken + piece.length > inputWindow) {
        await new Promise<void>((resolve) => {
          this.#taken = resolve;
        });
        if (this.#over) throw this.#over;
      }
      if (this.#over) throw this.#over;
      this.#stream.send(stdinMessage(piece));
      this.#untaken += piece.length;
      at += piece.length;
    }
  }

  #finish(error: ProviderError): void {
    this.#over = error;
    this.#stdin.error(error);
    this.#taken();
    this.#onEnd();
  }

  #ended(): ProviderError {
    return new ProviderError({
      code: "FAILED_PRECONDITION",
      message: `provider ${this.#provider}: the process has ended, and reads no more`,
      provider: this.#provider,
    });
  }

  #broke(why: string): ProviderError {
    return new ProviderError({
      code: "UNAVAILABLE",
      reason: "shellBroken",
      message: `provider ${this.#provider}: the connection to the process broke (${why}); whether it still runs cannot be told, and it cannot be resumed: start another`,
      provider: this.#provider,
    });
  }

  /** told returns the error to tell: of a connection to the bridge that was lost, too. */
  #told(error: ProviderError): ProviderError {
    const lost =
      error.code === "UNAVAILABLE" && (!error.reason || error.reason === "streamStalled");
    return lost ? this.#broke(error.message) : error;
  }
}

/** What of a call a shell has to know. */
export interface ShellCall {
  provider: string;
  tty?: boolean;
  stdin?: boolean;
  window?: number;
}

/** One of the outputs of a process, and what of it was not read. */
class Output {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #onUsed: (bytes: number) => void;
  #out!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  /** Whether a read waits. */
  #wanted = false;
  /** Ends the stream, once what has come was read; undefined while more may come. */
  #end: (() => void) | undefined;
  /** Whether the stream has ended, or nobody wants it. */
  #over = false;

  constructor(onUsed: (bytes: number) => void) {
    this.#onUsed = onUsed;
    this.stream = new ReadableStream(
      {
        start: (out) => {
          this.#out = out;
        },
        pull: () => {
          this.#wanted = true;
          this.#give();
        },
        cancel: () => {
          this.#over = true;
          for (const piece of this.#pieces.splice(0)) this.#onUsed(piece.length);
        },
      },
      { highWaterMark: 0 }, // which is to say: pull when there is a read
    );
  }

  take(piece: Uint8Array<ArrayBuffer>): void {
    if (this.#over) {
      this.#onUsed(piece.length);
      return;
    }
    this.#pieces.push(piece);
    this.#give();
  }

  #give(): void {
    if (this.#wanted) {
      const piece = this.#pieces.shift();
      if (piece) {
        this.#wanted = false;
        this.#out.enqueue(piece);
        this.#onUsed(piece.length);
      }
    }
    if (this.#end && this.#pieces.length === 0 && !this.#over) {
      this.#over = true;
      this.#end();
    }
  }

  /** finish ends it, after what has come: well, or with the error. */
  finish(error?: ProviderError): void {
    this.#end = () => (error ? this.#out.error(error) : this.#out.close());
    this.#give();
  }

  /** drop forgets what has come. */
  drop(): void {
    this.#pieces = [];
  }
}
