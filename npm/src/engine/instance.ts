import { makeGo } from "wasm-exec";
import { ProviderError } from "../errors.js";
import type { BodyReader } from "../transport/byte-reader.js";
import { makeRequest } from "../transport/request.js";
import { send } from "../transport/transport.js";
import type { EarlyCall } from "./early.js";
import type { EngineCall, Texts } from "./engine.js";

/** The functions that the module sets; wasm/main.go is the other side. */
export interface Functions {
  call(
    method: string,
    call: string,
    getToken: EngineCall["getToken"],
    settle: (result: string) => void,
  ): number;
  cancel(id: number, code: number, message: string): void;
  open(
    method: string,
    call: string,
    getToken: EngineCall["getToken"],
    onRetry: (failure: string, waitMs: number) => void,
  ): number;
  connect(id: number, settle: (result: string, reader: BodyReader | null) => void): void;
  switchTransport(id: number, transport: string): void;
  setHeartbeat(id: number, ms: number): void;
  hurry(id: number): void;
  pending(): number;
  finish(id: number, broke: string, stalled: boolean): string;
  close(id: number, code: number, message: string): void;
}

/** The module's WebAssembly exports; wasm/export.go is the other side. */
interface Exports extends WebAssembly.Exports {
  mem: WebAssembly.Memory;
  reserve(stream: number, n: number): number;
  feed(stream: number, n: number): number;
}

/** A batch in the module's memory, valid until the next call. */
export interface BatchView {
  ascii: Texts;
  utf8: Texts;
  index: Uint32Array;
  services: Uint8Array;
  gaps: Uint32Array;
  state: number;
}

/**
 * The number of values in a view, which holds the addresses and sizes of a batch's parts.
 */
const viewSize = 15;

/** The states of a stream after a batch, as wasm/client has them. */
export const hasMore = 1;
export const hasEnded = 2;

/**
 * A running module. It runs until its program panics, which is a bug of this package. After
 * that every call throws.
 */
export class Instance {
  /** Why the program ended; undefined while it runs. */
  crash: ProviderError | undefined;
  readonly functions: Functions;
  readonly #given: Sandbox["given"];
  readonly #exports: Exports;
  readonly #onCrash = new Set<(error: ProviderError) => void>();
  #bytes = new Uint8Array(0);

  private constructor(global: Sandbox, exports: Exports) {
    this.#given = global.given;
    this.#exports = exports;
    const functions = global.akashProviderWeb;
    if (functions === undefined) throw this.crash ?? crashed("it has set no functions");
    this.functions = functions;
  }

  /** start runs the module, whose global object is a sandbox. */
  static async start(module: WebAssembly.Module): Promise<Instance> {
    const global = sandbox();
    const go = new (makeGo(global))();
    // At this level a stack trace has addresses, which wasm/symbolize needs.
    go.env = { GOTRACEBACK: "system" };
    const wasm = await WebAssembly.instantiate(module, go.importObject);
    let instance: Instance | undefined;
    go.exit = () => {
      console.error(global.output());
      instance?.fail(crashed(global.output()));
    };
    void go.run(wasm);
    instance = new Instance(global, wasm.exports as Exports);
    return instance;
  }

  /** enter calls into the program. An exception means that the program has crashed. */
  enter<T>(f: (functions: Functions) => T): T {
    if (this.crash) throw this.crash;
    let result: T;
    try {
      result = f(this.functions);
    } catch (cause) {
      this.fail(crashed(String(cause)));
    }
    if (this.crash) throw this.crash;
    // biome-ignore lint/style/noNonNullAssertion: assigned, or there was a crash
    return result!;
  }

  /**
   * enterWith enters for what makes a call's first request, which takes over the request
   * that was sent early. The program sends it before it returns.
   */
  enterWith<T>(early: EarlyCall | undefined, f: (functions: Functions) => T): T {
    this.#given.early = early;
    try {
      return this.enter(f);
    } finally {
      this.#given.early = undefined;
      early?.abandon();
    }
  }

  /** feed passes a piece of its body to a stream and returns the resulting batch. */
  feed(stream: number, piece: Uint8Array): BatchView {
    return this.enter(() => {
      if (piece.length > 0) {
        const address = this.#exports.reserve(stream, piece.length) >>> 0;
        this.#memory().set(piece, address);
      }
      const address = this.#exports.feed(stream, piece.length) >>> 0;
      // The call may grow the memory, so the views are created after it.
      const memory = this.#memory();
      const view = new Uint32Array(memory.buffer, address, viewSize);
      let at = 0;
      const next = () => view[at++] as number;
      const bytes = () => new Uint8Array(memory.buffer, next(), next());
      const numbers = () => new Uint32Array(memory.buffer, next(), next());
      // In the order of the view.
      return {
        ascii: { bytes: bytes(), groups: numbers() },
        utf8: { bytes: bytes(), groups: numbers() },
        index: numbers(),
        services: bytes(),
        gaps: numbers(),
        state: next(),
      };
    });
  }

  #memory(): Uint8Array<ArrayBuffer> {
    const { buffer } = this.#exports.mem;
    if (this.#bytes.buffer !== buffer) this.#bytes = new Uint8Array(buffer);
    return this.#bytes;
  }

  /** onCrash calls f if the program ends, until the function returned is called. */
  onCrash(f: (error: ProviderError) => void): () => void {
    this.#onCrash.add(f);
    return () => this.#onCrash.delete(f);
  }

  private fail(error: ProviderError): void {
    if (this.crash) return;
    this.crash = error;
    for (const f of this.#onCrash) f(error);
    this.#onCrash.clear();
  }
}

function crashed(output: string): ProviderError {
  const first = output.trim().split("\n", 1)[0] || "no output";
  return new ProviderError({
    code: "INTERNAL",
    message: `the WebAssembly module has crashed, which is a bug of akash-provider-web (${first}); the next call starts it afresh`,
  });
}

/** The global object of a program. */
type Sandbox = ReturnType<typeof sandbox>;

/**
 * sandbox creates the global object that the program sees: the parts of the platform that
 * it needs, bound to the page's own, and a place for its functions.
 */
function sandbox() {
  const decoder = new TextDecoder();
  let output = "";
  /** The request of the call that the program is asked to make, if it was sent early. */
  const given = { early: undefined as EarlyCall | undefined };
  return {
    given,
    akashProviderWeb: undefined as Functions | undefined,
    origin: globalThis.location?.origin,
    output: () => output,

    Array,
    // Looked up at each call, so that a test may replace the clock.
    Date: { now: () => Date.now() },
    Math,
    Object,
    Promise,
    TextDecoder,
    TextEncoder,
    Uint8Array,
    console,
    crypto,
    performance,
    clearTimeout: (id: number) => clearTimeout(id),
    // Looks fetch up at each call, so that a page may wrap it at any time.
    request: makeRequest(send, (request) => given.early?.claim(request)),
    setTimeout: (f: (...args: unknown[]) => void, ms: number, ...args: unknown[]) =>
      setTimeout(f, ms, ...args),

    // A Go program writes its panics to file 2.
    fs: {
      constants: {},
      writeSync(_file: number, bytes: Uint8Array) {
        if (output.length < 65_536) output += decoder.decode(bytes);
        return bytes.length;
      },
    },
    path: {},
    process: {},
  };
}
