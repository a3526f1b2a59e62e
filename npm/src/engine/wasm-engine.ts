import { asProviderError, failure, ProviderError } from "../errors.js";
import type { BodyReader, Send } from "../transport/byte-reader.js";
import { suspicious } from "../transport/probe.js";
import { SharedBody } from "../transport/shared-body.js";
import { heartbeatFor, wasCut } from "../transport/silence.js";
import { bufferedMessage, mayGoApart } from "../transport/transport.js";
import type {
  CallMethod,
  Engine,
  EngineCall,
  EngineResult,
  EngineStream,
  ReadBatch,
  Stop,
  StreamEvents,
  StreamMethod,
} from "./engine.js";
import { flat } from "./flat.js";
import { hasEnded, hasMore, Instance } from "./instance.js";
import { sliceIsOver, yieldToPage } from "./yielding.js";

/** gRPC's numbers of the codes with which a page ends calls. */
const stopCodes: Record<string, number> = { CANCELLED: 1, DEADLINE_EXCEEDED: 4 };

/** How much of a body the module is given at a time, in bytes. */
const pieceSize = 64 * 1024;

/**
 * How long a connection must stand for the stream to be open though nothing new came,
 * in milliseconds. What breaks before that was never of use.
 */
const standing = 1_000;

const nothing = new Uint8Array(0);

/** Instances that run, one for each module, which all clients share. */
const instances = new WeakMap<WebAssembly.Module, Promise<Instance>>();

/** running returns the module's instance, a new one if the last has crashed. */
async function running(module: WebAssembly.Module): Promise<Instance> {
  for (;;) {
    let starting = instances.get(module);
    if (!starting) {
      starting = Instance.start(module);
      instances.set(module, starting);
    }
    const instance = await starting.catch((error) => {
      instances.delete(module);
      throw error;
    });
    if (!instance.crash) return instance;
    // Of all who find the crash, one starts the next instance.
    if (instances.get(module) === starting) instances.delete(module);
  }
}

/** The engine that runs where it is used, in the page or in a worker. */
export class WasmEngine implements Engine {
  readonly #module: WebAssembly.Module;

  private constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  static async start(module: WebAssembly.Module): Promise<WasmEngine> {
    await running(module);
    return new WasmEngine(module);
  }

  async call(method: CallMethod, call: EngineCall, stop: Stop): Promise<EngineResult> {
    let stopped: ProviderError | undefined;
    stop.now = (error) => {
      stopped ??= error;
    };
    try {
      const instance = await running(this.#module);
      if (stopped) throw stopped;
      const text = await new Promise<string>((resolve, reject) => {
        const forget = instance.onCrash(reject);
        const id = instance.enter((go) =>
          go.call(method, flat(call), call.getToken, (result) => {
            forget();
            resolve(result);
          }),
        );
        stop.now = (error) => {
          stopped ??= error;
          if (!instance.crash) {
            instance.enter((go) => go.cancel(id, stopCodes[error.code] ?? 1, error.message));
          }
        };
      });
      const result = JSON.parse(text);
      if (result.error) result.error = failure(result.error, stopped);
      return result;
    } catch (error) {
      return { status: "error", error: asProviderError(error, call.provider), attempts: 0 };
    }
  }

  open<T>(
    method: StreamMethod,
    call: EngineCall,
    read: ReadBatch<T>,
    events: StreamEvents,
  ): EngineStream<T> {
    return new WasmStream(this.#module, method, call, read, events);
  }

  /** The instance stays for the page's other clients, and goes with the module. */
  async release(): Promise<void> {}
}

/**
 * drain reads the end of a body after which nothing may come: the browser keeps a
 * connection for the next request only where it has seen that. A bridge that does
 * not end it within a second loses the connection.
 */
async function drain(reader: BodyReader): Promise<void> {
  const late = setTimeout(() => reader.cancel().catch(() => {}), 1000);
  try {
    const { done } = await reader.read();
    if (!done) await reader.cancel();
  } catch {
    // The request was aborted, or broke off: it is over anyway.
  } finally {
    clearTimeout(late);
  }
}

/**
 * Tells a quiet connection from a dead one, and from one whose answer a proxy holds back,
 * which the platform does not: in each case a read just waits. Only reads that wait
 * count, not a page that does not read, nor a time in which the page itself stood still.
 */
class Watch {
  /** How often something comes on a connection that lives, in milliseconds; 0 if not known. */
  readonly interval: number;
  /** Whether the connection was given up. */
  stalled = false;
  /** Whether it was given up because a proxy holds the answer back. */
  held = false;
  /** How long the last read waited, in milliseconds. */
  waited = 0;
  /** Whether the body ended without the stream having done so. */
  cut = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #suspecting: ReturnType<typeof setInterval> | undefined;
  /** When the read that waits began; undefined while none does. */
  #since: number | undefined;
  /** How many looks that read has seen. */
  #looks = 0;

  constructor(interval: number) {
    this.interval = interval;
  }

  start(reader: BodyReader, isHeld?: () => Promise<boolean>): void {
    if (isHeld) {
      this.#suspecting = setInterval(() => void this.#suspect(reader, isHeld), suspicious / 2);
    }
    if (this.interval === 0) return;
    this.#timer = setInterval(() => {
      if (this.#since === undefined || ++this.#looks < 2) return;
      // With four looks to an interval it is within two that a dead one is found.
      if (performance.now() - this.#since < 1.75 * this.interval) return;
      this.stalled = true;
      this.stop();
      reader.cancel().catch(() => {});
    }, this.interval / 4);
  }

  /** suspect finds out, once a read has waited for long, whether the answer is held back. */
  async #suspect(reader: BodyReader, isHeld: () => Promise<boolean>): Promise<void> {
    const since = this.#since;
    if (since === undefined || performance.now() - since < suspicious) return;
    clearInterval(this.#suspecting);
    if (!(await isHeld()) || this.#since !== since) return;
    this.held = true;
    this.stop();
    reader.cancel().catch(() => {});
  }

  waits(): void {
    this.#since = performance.now();
    this.#looks = 0;
  }

  got(): void {
    this.waited = performance.now() - (this.#since as number);
    this.#since = undefined;
  }

  stop(): void {
    clearInterval(this.#timer);
    clearInterval(this.#suspecting);
  }
}

/** buffered is the error of a stream that a proxy holds back, and that may not go on. */
function buffered(bridge: string): ProviderError {
  return new ProviderError({
    code: "FAILED_PRECONDITION",
    reason: "streamBuffered",
    message: bufferedMessage(bridge),
  });
}

class WasmStream<T> implements EngineStream<T> {
  readonly #provider: string;
  readonly #items: AsyncGenerator<T[], undefined>;
  readonly #read: ReadBatch<T>;
  readonly #events: StreamEvents;
  readonly #services: string[] = [];
  readonly #decoder = new TextDecoder();
  /** Whether the stream was open once. */
  #wasOpen = false;
  /** Why the last connection failed, if one did after which another is to follow. */
  #failed: ProviderError | undefined;
  #stopped: ProviderError | undefined;
  /** Stops what the module does for the stream; set once it does something. */
  #stop: (error: ProviderError) => void = () => {};
  /** Sends what follows the request; undefined while there is no connection. */
  #send: Send | undefined;
  /** What is to be sent once there is one. */
  #unsent: Uint8Array<ArrayBuffer>[] = [];

  constructor(
    module: WebAssembly.Module,
    method: StreamMethod,
    call: EngineCall,
    read: ReadBatch<T>,
    events: StreamEvents,
  ) {
    this.#events = events;
    this.#provider = call.provider;
    this.#read = read;
    this.#items = this.#run(module, method, call);
  }

  async read(): Promise<T[] | undefined> {
    try {
      return (await this.#items.next()).value;
    } catch (error) {
      throw this.#stopped ?? asProviderError(error, this.#provider);
    }
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    if (this.#send) this.#send(message);
    else if (!this.#stopped) this.#unsent.push(message);
  }

  close(error: ProviderError): void {
    if (this.#stopped) return;
    this.#stopped = error;
    this.#unsent = [];
    this.#stop(error);
    // Where nobody reads, the generator waits at a yield, and would for ever.
    this.#items.return(undefined).catch(() => {});
  }

  /** check throws where the stream has been closed, after which Go forgot it. */
  #check(): void {
    if (this.#stopped) throw this.#stopped;
  }

  /** run drives the stream as wasm/client.Stream asks to be driven. */
  async *#run(
    module: WebAssembly.Module,
    method: StreamMethod,
    call: EngineCall,
  ): AsyncGenerator<T[], undefined> {
    const instance = await running(module);
    this.#check();
    let heartbeat = heartbeatFor(call.bridge, call.heartbeat);
    const id = instance.enter((go) =>
      go.open(method, flat({ ...call, heartbeat }), call.getToken, (text) => this.#waits(text)),
    );
    this.#stop = ({ code, message }) => {
      this.#stop = () => {};
      if (!instance.crash) instance.enter((go) => go.close(id, stopCodes[code] ?? 1, message));
    };
    let shares = call.reconnect && mayGoApart(call.bridge, call.transport);
    try {
      for (;;) {
        const reader = await this.#connect(instance, id);
        this.#failed = undefined;
        const watch = new Watch(heartbeat);
        const body = reader && shares ? new SharedBody(reader) : reader;
        const broke = yield* this.#body(instance, id, body, watch, reader?.isHeld);
        // The module knows a stream no longer that was closed meanwhile.
        this.#check();
        if (watch.held) {
          if (!call.reconnect) throw buffered(call.bridge);
          instance.enter((go) => go.switchTransport(id, call.transport));
        }
        if (body instanceof SharedBody && body.moved) {
          shares = false;
          instance.enter((go) => go.switchTransport(id, "apart"));
        }
        if (watch.cut) wasCut(call.bridge, watch.waited);
        const end = JSON.parse(instance.enter((go) => go.finish(id, broke, watch.stalled)));
        if (end.status === "again") {
          const now = heartbeatFor(call.bridge, call.heartbeat);
          if (now !== heartbeat) instance.enter((go) => go.setHeartbeat(id, now));
          heartbeat = now;
          this.#connecting();
          continue;
        }
        yield* this.#feed(instance, id, nothing);
        if (end.error) throw failure(end.error, this.#stopped);
        return undefined;
      }
    } finally {
      this.#stop(new ProviderError({ code: "CANCELLED", message: "the stream is over" }));
    }
  }

  /** waits is told a failure, as JSON, after which the module connects again. */
  #waits(text: string): void {
    this.#failed = failure(JSON.parse(text).error);
    // Not now: the module waits for this call, and a listener may call it.
    queueMicrotask(() => this.#failed && this.#connecting());
  }

  #connecting(): void {
    this.#events.state(this.#wasOpen ? "reconnecting" : "connecting", this.#failed);
  }

  #open(): void {
    this.#wasOpen = true;
    this.#events.state("open");
  }

  /** connect opens the stream and returns what its body is read from. */
  async #connect(instance: Instance, id: number): Promise<BodyReader | null> {
    const [text, reader] = await new Promise<[string, BodyReader | null]>((resolve, reject) => {
      const forget = instance.onCrash(reject);
      instance.enter((go) =>
        go.connect(id, (text, reader) => {
          forget();
          resolve([text, reader]);
        }),
      );
    });
    const { error, status, ...route } = JSON.parse(text);
    if (error) throw failure(error, this.#stopped);
    this.#events.route?.(route);
    this.#send = reader?.send;
    for (const message of this.#unsent.splice(0)) this.#send?.(message);
    return reader;
  }

  /**
   * body yields what the body holds, and asks for more of it only when that has
   * been taken. It returns why the body broke off, "" if it did not.
   */
  async *#body(
    instance: Instance,
    id: number,
    reader: BodyReader | null,
    watch: Watch,
    isHeld: (() => Promise<boolean>) | undefined,
  ): AsyncGenerator<T[], string> {
    if (!reader) return "";
    // The program cannot abort the request any more when it has crashed.
    const forget = instance.onCrash(() => void reader.cancel());
    const stands = setTimeout(() => this.#open(), standing);
    watch.start(reader, isHeld);
    try {
      return yield* this.#chunks(instance, id, reader, watch);
    } finally {
      clearTimeout(stands);
      watch.stop();
      forget();
      if (reader instanceof SharedBody) reader.leave("over");
    }
  }

  async *#chunks(
    instance: Instance,
    id: number,
    reader: BodyReader,
    watch: Watch,
  ): AsyncGenerator<T[], string> {
    for (;;) {
      let chunk: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;
      try {
        watch.waits();
        chunk = await reader.read();
        watch.got();
      } catch (error) {
        watch.got();
        watch.cut = true;
        return error instanceof Error ? error.message : String(error);
      }
      if (watch.stalled) return `nothing came for ${2 * watch.interval} ms, not even a heartbeat`;
      if (reader instanceof SharedBody && reader.moved) return "it is to go on over another";
      if (watch.held) return "a proxy holds the answer back";
      if (chunk.done) {
        watch.cut = true;
        return "";
      }
      for (let start = 0; start < chunk.value.length; start += pieceSize) {
        const ended = yield* this.#feed(
          instance,
          id,
          chunk.value.subarray(start, start + pieceSize),
        );
        if (!ended) continue;
        void drain(reader);
        return "";
      }
      reader.recycle?.(chunk.value);
    }
  }

  /** feed yields what a piece of the body holds, and returns whether it was the last. */
  async *#feed(instance: Instance, id: number, piece: Uint8Array): AsyncGenerator<T[], boolean> {
    for (;;) {
      if (sliceIsOver()) await yieldToPage();
      this.#check();
      const view = instance.feed(id, piece);
      const { ascii, utf8, index, gaps, state } = view;
      if (view.services.length > 0) this.#learn(view.services);
      if (gaps.length + index.length > 0) this.#open();
      if (gaps.length > 0) this.#tell(Array.from(gaps));
      if (index.length > 0) {
        yield this.#read({ ascii, utf8, index, services: this.#services });
      }
      if (state !== hasMore) return state === hasEnded;
      piece = nothing;
    }
  }

  /** tell tells of gaps, for each of which there are a service's id and a replica. */
  #tell(gaps: number[]): void {
    for (let i = 0; i < gaps.length; i += 2) {
      const service = this.#services[gaps[i] as number] as string;
      this.#events.gap({ service, replica: gaps[i + 1] as number, lost: null });
    }
  }

  /** learn reads names, each after its length in two bytes. */
  #learn(names: Uint8Array): void {
    for (let i = 0; i < names.length; ) {
      const length = (names[i] ?? 0) + ((names[i + 1] ?? 0) << 8);
      i += 2 + length;
      this.#services.push(this.#decoder.decode(names.subarray(i - length, i)));
    }
  }
}
