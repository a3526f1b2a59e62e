import { asProviderError, detailsOf, failure, ProviderError } from "../errors.js";
import type { BodyReader, Send } from "../transport/byte-reader.js";
import { probeAfter } from "../transport/probe.js";
import { SharedBody } from "../transport/shared-body.js";
import { heartbeatFor, wasCut } from "../transport/silence.js";
import {
  bufferedMessage,
  mayUseOwnConnection,
  type RequestTransport,
} from "../transport/transport.js";
import { EarlyCall } from "./early.js";
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
import { whenBack } from "./network.js";
import { sliceIsOver, yieldToPage } from "./yielding.js";

/** The gRPC status codes with which a page ends calls. */
const stopCodes: Record<string, number> = { CANCELLED: 1, DEADLINE_EXCEEDED: 4 };

/** How much of a body is passed to the module at a time, in bytes. */
const pieceSize = 64 * 1024;

/**
 * How long a connection must last for the stream to count as open although nothing new
 * arrived, in milliseconds.
 */
const openAfter = 1_000;

const nothing = new Uint8Array(0);

/** The running instances by module, shared by all clients. */
const instances = new WeakMap<WebAssembly.Module, Promise<Instance>>();

/** running returns the module's instance, or a new one if the last one has crashed. */
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
    // Several callers may detect the crash; one of them starts the next instance.
    if (instances.get(module) === starting) instances.delete(module);
  }
}

/** Loads the module, if that has not been done. */
export type LoadModule = () => Promise<WebAssembly.Module>;

/** The beginning of a call. */
interface Beginning {
  /** Rejected if the module cannot be loaded, or the call is stopped before. */
  instance: Promise<Instance>;
  /** The call's request, if it was sent before the module ran. */
  early: EarlyCall | undefined;
  stop(error: ProviderError): void;
}

/**
 * The engine that runs the module in its own thread: the page's or a worker's. It takes
 * calls while the module loads.
 */
export class WasmEngine implements Engine {
  readonly #load: LoadModule;
  /** The last instance used. */
  #instance: Instance | undefined;

  constructor(load: LoadModule) {
    this.#load = load;
    // Start at once. If that fails, the next call tries again, and has the error.
    this.#start().catch(() => {});
  }

  async #start(): Promise<Instance> {
    this.#instance = await running(await this.#load());
    return this.#instance;
  }

  /** begin sends a call's request early if the module does not run yet. */
  #begin(method: CallMethod | StreamMethod, call: EngineCall): Beginning {
    if (this.#instance && !this.#instance.crash) {
      return { instance: Promise.resolve(this.#instance), early: undefined, stop() {} };
    }
    const early = EarlyCall.send(method, call);
    let stop: Beginning["stop"] = () => {};
    const stopped = new Promise<never>((_, reject) => {
      stop = reject;
    });
    const instance = Promise.race([this.#start(), stopped]);
    instance.catch(() => early?.abandon());
    return { instance, early, stop };
  }

  async call(method: CallMethod, call: EngineCall, stop: Stop): Promise<EngineResult> {
    let stopped: ProviderError | undefined;
    const { instance: starting, early, stop: stopStart } = this.#begin(method, call);
    stop.now = (error) => {
      stopped ??= error;
      stopStart(error);
    };
    try {
      const instance = await starting;
      if (stopped) throw stopped;
      const text = await new Promise<string>((resolve, reject) => {
        const forget = instance.onCrash(reject);
        const id = instance.enterWith(early, (go) =>
          go.call(method, flat({ ...call, spent: early?.spent }), call.getToken, (result) => {
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
      early?.abandon();
      const cause = asProviderError(error, call.provider);
      if (!early || error !== stopped) return { status: "error", error: cause, attempts: 0 };
      return { status: "error", error: afterOneAttempt(cause), attempts: 1 };
    }
  }

  open<T>(
    method: StreamMethod,
    call: EngineCall,
    read: ReadBatch<T>,
    events: StreamEvents,
  ): EngineStream<T> {
    return new WasmStream((call) => this.#begin(method, call), method, call, read, events);
  }

  /**
   * Does nothing: the page's other clients share the instance, which is freed with the
   * module.
   */
  async release(): Promise<void> {}
}

/** afterOneAttempt returns the error of a stopped call as the module words it. */
function afterOneAttempt(error: ProviderError): ProviderError {
  const { provider = "", message } = error;
  return new ProviderError({
    ...detailsOf(error),
    message: message.includes(provider) ? message : `provider ${provider}: ${message}`,
    attempts: 1,
    cause: error.cause,
  });
}

/**
 * drain reads the end of a body that has no more data. The browser reuses the connection
 * only after that. If the bridge does not end the body within a second, the request is
 * aborted.
 */
async function drain(reader: BodyReader): Promise<void> {
  const late = setTimeout(() => reader.cancel().catch(() => {}), 1000);
  try {
    const { done } = await reader.read();
    if (!done) await reader.cancel();
  } catch {
    // The request was aborted, or failed; either way it has ended.
  } finally {
    clearTimeout(late);
  }
}

/**
 * Distinguishes an idle connection from a dead one, and from one that a proxy buffers. The
 * platform does not: a read waits in each case. Only time during a read counts, not time in
 * which the page does not read or is itself suspended.
 */
class Watch {
  /**
   * The interval at which a working connection delivers something, in milliseconds; 0 if
   * unknown.
   */
  readonly interval: number;
  /** Whether the connection was closed because it is dead. */
  stalled = false;
  /** Whether it was closed because a proxy buffers it. */
  buffered = false;
  /** Whether it was closed because it was silent while the network was gone. */
  lost = false;
  /** How long the last read took, in milliseconds. */
  waited = 0;
  /** Whether the body ended before the stream did. */
  cut = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #probeTimer: ReturnType<typeof setInterval> | undefined;
  /** When the pending read began; undefined if there is none. */
  #since: number | undefined;
  /** When something came last, or the connection was opened. */
  #heard = performance.now();
  /** The number of checks during the pending read. */
  #checks = 0;

  constructor(interval: number) {
    this.interval = interval;
  }

  start(reader: BodyReader, isBuffered?: () => Promise<boolean>): void {
    if (isBuffered) {
      this.#probeTimer = setInterval(() => void this.#suspect(reader, isBuffered), probeAfter / 2);
    }
    if (this.interval === 0) return;
    this.#timer = setInterval(() => {
      if (this.#since === undefined || ++this.#checks < 2) return;
      // With four checks per interval, a dead connection is detected within two.
      if (performance.now() - this.#since < 1.75 * this.interval) return;
      this.stalled = true;
      this.stop();
      reader.cancel().catch(() => {});
    }, this.interval / 4);
  }

  /** suspect checks whether a proxy buffers the response, once a read has taken long. */
  async #suspect(reader: BodyReader, isBuffered: () => Promise<boolean>): Promise<void> {
    const since = this.#since;
    if (since === undefined || performance.now() - since < probeAfter) return;
    clearInterval(this.#probeTimer);
    if (!(await isBuffered()) || this.#since !== since) return;
    this.buffered = true;
    this.stop();
    reader.cancel().catch(() => {});
  }

  /**
   * networkIsBack closes a connection that was silent since the network went, and reports
   * whether it did. A page that is busy with what came before may begin to read only later.
   */
  networkIsBack(reader: BodyReader, gone: number): boolean {
    if (this.#heard > gone) return false;
    this.lost = true;
    this.stop();
    reader.cancel().catch(() => {});
    return true;
  }

  waits(): void {
    this.#since = performance.now();
    this.#checks = 0;
  }

  got(): void {
    this.#heard = performance.now();
    this.waited = this.#heard - (this.#since as number);
    this.#since = undefined;
  }

  stop(): void {
    clearInterval(this.#timer);
    clearInterval(this.#probeTimer);
  }
}

/**
 * bufferedError returns the error of a stream that a proxy buffers and that may not reconnect.
 */
function bufferedError(bridge: string): ProviderError {
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
  /** Whether the stream has ever been open. */
  #wasOpen = false;
  /** The error of the last connection, if it failed and another one follows. */
  #failed: ProviderError | undefined;
  #stopped: ProviderError | undefined;
  /** Ends the module's work for the stream; set once there is any. */
  #stop: (error: ProviderError) => void = () => {};
  /** Ends the module's wait before the next connection. */
  #hurry: () => void = () => {};
  /** Sends what follows the request; undefined while there is no connection. */
  #send: Send | undefined;
  /** What is to be sent once there is one. */
  #unsent: Uint8Array<ArrayBuffer>[] = [];

  constructor(
    begin: (call: EngineCall) => Beginning,
    method: StreamMethod,
    call: EngineCall,
    read: ReadBatch<T>,
    events: StreamEvents,
  ) {
    this.#events = events;
    this.#provider = call.provider;
    this.#read = read;
    this.#items = this.#run(begin, method, call);
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

  hurry(): void {
    if (!this.#stopped) this.#hurry();
  }

  close(error: ProviderError): void {
    if (this.#stopped) return;
    this.#stopped = error;
    this.#unsent = [];
    this.#stop(error);
    // If nobody reads, the generator would wait at a yield for ever.
    this.#items.return(undefined).catch(() => {});
  }

  /**
   * check throws if the stream has been closed, after which Go does not know it any more.
   */
  #check(): void {
    if (this.#stopped) throw this.#stopped;
  }

  /** run drives the stream as wasm/client.Stream requires. */
  async *#run(
    begin: (call: EngineCall) => Beginning,
    method: StreamMethod,
    call: EngineCall,
  ): AsyncGenerator<T[], undefined> {
    let heartbeat = heartbeatFor(call.bridge, call.heartbeat);
    const first = { ...call, heartbeat };
    const { instance: starting, early, stop } = begin(first);
    this.#stop = (error) => {
      early?.abandon();
      stop(error);
    };
    const instance = await starting;
    this.#check();
    const options = flat({ ...first, spent: early?.spent });
    const id = instance.enter((go) =>
      go.open(method, options, call.getToken, (text, waitMs) => this.#onRetry(text, waitMs)),
    );
    this.#stop = ({ code, message }) => {
      this.#stop = () => {};
      if (!instance.crash) instance.enter((go) => go.close(id, stopCodes[code] ?? 1, message));
    };
    this.#hurry = () => {
      if (!instance.crash) instance.enter((go) => go.hurry(id));
    };
    let shares = call.reconnect && mayUseOwnConnection(call.bridge, call.transport);
    let sent = early;
    let transport: RequestTransport = call.transport;
    const notOpen = () => false;
    let networkIsBack: (gone: number) => boolean = notOpen;
    const forget = whenBack((gone) => {
      if (call.reconnect && !networkIsBack(gone)) this.#hurry();
    });
    try {
      for (;;) {
        const reader = await this.#connect(instance, id, sent);
        sent = undefined;
        this.#failed = undefined;
        const watch = new Watch(heartbeat);
        const body = reader && shares ? new SharedBody(reader) : reader;
        networkIsBack = (gone) => body !== null && watch.networkIsBack(body, gone);
        const broke = yield* this.#body(instance, id, body, watch, reader?.isBuffered);
        networkIsBack = notOpen;
        // The module does not know the stream any more if it was closed.
        this.#check();
        if (watch.buffered && !call.reconnect) throw bufferedError(call.bridge);
        const moved = body instanceof SharedBody && body.moved;
        if (moved) {
          shares = false;
          transport = "dedicated";
        }
        if (watch.buffered || watch.lost || moved) {
          instance.enter((go) => go.switchTransport(id, transport));
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
      forget();
      this.#stop(new ProviderError({ code: "CANCELLED", message: "the stream has ended" }));
    }
  }

  /**
   * onRetry receives the error, as JSON, of a connection after which the module connects
   * again, and how long it waits before that.
   */
  #onRetry(text: string, waitMs: number): void {
    this.#failed = failure(JSON.parse(text).error);
    const at = Date.now() + waitMs;
    // In a microtask: the module is still in this call, and a listener may call it.
    queueMicrotask(() => {
      if (!this.#failed) return;
      this.#events.retry?.(at);
      this.#connecting();
    });
  }

  #connecting(): void {
    this.#events.state(this.#wasOpen ? "reconnecting" : "connecting", this.#failed);
  }

  #open(): void {
    this.#wasOpen = true;
    this.#events.state("open");
  }

  /** connect opens the stream and returns the reader of its body. */
  async #connect(
    instance: Instance,
    id: number,
    early: EarlyCall | undefined,
  ): Promise<BodyReader | null> {
    const [text, reader] = await new Promise<[string, BodyReader | null]>((resolve, reject) => {
      const forget = instance.onCrash(reject);
      instance.enterWith(early, (go) =>
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
   * body yields the items in the body, and reads on only when they have been taken. It
   * returns why the body broke off, or "" if it did not.
   */
  async *#body(
    instance: Instance,
    id: number,
    reader: BodyReader | null,
    watch: Watch,
    isBuffered: (() => Promise<boolean>) | undefined,
  ): AsyncGenerator<T[], string> {
    if (!reader) return "";
    // After a crash, the program cannot abort the request itself.
    const forget = instance.onCrash(() => void reader.cancel());
    const opening = setTimeout(() => this.#open(), openAfter);
    watch.start(reader, isBuffered);
    try {
      return yield* this.#chunks(instance, id, reader, watch);
    } finally {
      clearTimeout(opening);
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
      if (reader instanceof SharedBody && reader.moved) return "it was moved to another connection";
      if (watch.buffered) return "a proxy buffers the response";
      if (watch.lost) return "the network was gone";
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

  /**
   * feed passes a piece of the body to the module, yields the items in it, and returns
   * whether the stream has ended.
   */
  async *#feed(instance: Instance, id: number, piece: Uint8Array): AsyncGenerator<T[], boolean> {
    for (;;) {
      if (sliceIsOver()) await yieldToPage();
      this.#check();
      const view = instance.feed(id, piece);
      const { ascii, utf8, index, gaps, state } = view;
      if (view.services.length > 0) this.#addServices(view.services);
      if (gaps.length + index.length > 0) this.#open();
      if (gaps.length > 0) this.#reportGaps(Array.from(gaps));
      if (index.length > 0) {
        yield this.#read({ ascii, utf8, index, services: this.#services });
      }
      if (state !== hasMore) return state === hasEnded;
      piece = nothing;
    }
  }

  /** reportGaps reports gaps, each of which is a service's id and a replica. */
  #reportGaps(gaps: number[]): void {
    for (let i = 0; i < gaps.length; i += 2) {
      const service = this.#services[gaps[i] as number] as string;
      this.#events.gap({ service, replica: (gaps[i + 1] as number) | 0, lost: null });
    }
  }

  /**
   * addServices reads the names of new services, each preceded by its length in two bytes.
   */
  #addServices(names: Uint8Array): void {
    for (let i = 0; i < names.length; ) {
      const length = (names[i] ?? 0) + ((names[i + 1] ?? 0) << 8);
      i += 2 + length;
      this.#services.push(this.#decoder.decode(names.subarray(i - length, i)));
    }
  }
}
