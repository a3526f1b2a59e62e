import type { Bytes } from "../bytes.js";
import {
  type ShellPiece,
  shellResult,
  shellStderr,
  shellStdout,
  shellTaken,
} from "../engine/batch-items.js";
import type { EngineStream } from "../engine/engine.js";
import { asProviderError, ProviderError } from "../errors.js";
import { iterable } from "./iterable.js";
import { resizeMessage, stdinMessage, usedMessage } from "./messages.js";

/** The maximum of unread output, in bytes. */
export const outputWindow = 256 * 1024;

/**
 * The same for a file, which a program reads: the window and the round trip limit its
 * speed.
 */
export const fileWindow = 2 * 1024 * 1024;

/**
 * The maximum of standard input in transit, in bytes. The bridge can buffer that much, so
 * that it always receives other messages (proto/akash/provider/web/v1/shell.proto).
 */
const inputWindow = 1024 * 1024;

/** The largest piece of standard input that the bridge accepts, in bytes. */
const maxPiece = 64 * 1024;

/** How a process ended. */
export interface ShellExit {
  /** The exit code: by convention 0 for success, and 128 plus its number for a signal. */
  code: number;
  /** The provider's message; usually empty. */
  message: string;
}

/**
 * A process in a container of a lease. It starts at once, and runs until it ends or is
 * closed.
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
 * There is backpressure in both directions: at most 256 KiB of output and 1 MiB of input
 * are buffered. So read both `stdout` and `stderr`, or cancel the one that is not needed.
 * If the connection breaks, everything fails with a {@link ProviderError} with the reason
 * `shellBroken`. A process cannot be resumed, and may still be running.
 */
export class Shell {
  /**
   * Its standard input: bytes, or text, which is sent as UTF-8. A write resolves when its
   * bytes are in transit. Closing it has no effect on the process, since providers do not
   * support that: with a terminal, write `"\x04"` (ctrl-D) instead.
   */
  readonly stdin: WritableStream<Uint8Array | string>;
  /** Its standard output. With a terminal, it includes standard error. */
  readonly stdout: ReadableStream<Bytes>;
  /** Its standard error; empty with a terminal. */
  readonly stderr: ReadableStream<Bytes>;
  /**
   * How it ended. Rejects with a {@link ProviderError} if it could not be started, the
   * connection broke, or it was closed.
   */
  readonly exit: Promise<ShellExit>;

  readonly #stream: EngineStream<ShellPiece>;
  readonly #provider: string;
  readonly #sized: boolean;
  readonly #out = new Output((bytes) => this.#used(bytes));
  readonly #err = new Output((bytes) => this.#used(bytes));
  readonly #onEnd: () => void;
  /** Why nothing can be written; undefined while it runs. */
  #over: ProviderError | undefined;
  #broken: ProviderError | undefined;
  #stdin!: WritableStreamDefaultController;
  /** Standard input that was sent but not consumed, in bytes. */
  #untaken = 0;
  #taken: () => void = () => {};
  /**
   * Output that was read but not acknowledged to the bridge, in bytes; undefined without a
   * window.
   */
  #unsaid: number | undefined;
  readonly #window: number;

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
    this.#window = window;
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
    this.exit.catch(() => {}); // readers of the output get the error, too
  }

  /**
   * Sets the size of the process's terminal, in characters, 1 to 65,535. If it is called at
   * once, the process starts with that size.
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
   * Closes the shell. A process with a terminal gets a ctrl-C and a ctrl-D, which end most
   * shells. Any other process continues to run, since providers cannot end it.
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

  /** @internal Ends the shell with the error. */
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
      const error = this.#broken ?? this.#withReason(asProviderError(cause, this.#provider));
      this.#finish(error);
      for (const output of [this.#out, this.#err]) {
        if (this.#broken) output.drop(); // it was closed
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
    if (this.#unsaid < this.#window / 4) return;
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
      message: `provider ${this.#provider}: the process has ended, so it cannot be written to`,
      provider: this.#provider,
    });
  }

  #broke(why: string): ProviderError {
    return new ProviderError({
      code: "UNAVAILABLE",
      reason: "shellBroken",
      message: `provider ${this.#provider}: the connection to the process broke (${why}); it may still be running, and cannot be resumed: start another one`,
      provider: this.#provider,
    });
  }

  /**
   * withReason returns the error of a failed stream, with the reason shellBroken if the
   * connection to the bridge was lost.
   */
  #withReason(error: ProviderError): ProviderError {
    const lost =
      error.code === "UNAVAILABLE" && (!error.reason || error.reason === "streamStalled");
    return lost ? this.#broke(error.message) : error;
  }
}

/** The parts of a call that a shell needs. */
export interface ShellCall {
  provider: string;
  tty?: boolean;
  stdin?: boolean;
  window?: number;
}

/** One of the outputs of a process, with its unread data. */
class Output {
  readonly stream: ReadableStream<Bytes>;
  readonly #onUsed: (bytes: number) => void;
  #out!: ReadableStreamDefaultController<Bytes>;
  #pieces: Bytes[] = [];
  /** Whether a read is pending. */
  #wanted = false;
  /** Ends the stream when all data has been read; undefined while more may arrive. */
  #end: (() => void) | undefined;
  /** Whether the stream has ended or was cancelled. */
  #over = false;

  constructor(onUsed: (bytes: number) => void) {
    this.#onUsed = onUsed;
    const stream = new ReadableStream<Bytes>(
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
      { highWaterMark: 0 }, // so that pull is called only when there is a read
    );
    this.stream = iterable(stream);
  }

  take(piece: Bytes): void {
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

  /** finish ends the stream after its data, with the error if there is one. */
  finish(error?: ProviderError): void {
    this.#end = () => (error ? this.#out.error(error) : this.#out.close());
    this.#give();
  }

  /** drop discards the data. */
  drop(): void {
    this.#pieces = [];
  }
}
