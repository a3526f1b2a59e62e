import type { Bytes } from "../bytes.js";
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
} from "../engine/engine.js";
import type { LoadModule } from "../engine/wasm-engine.js";
import { sliceIsOver, yieldToPage } from "../engine/yielding.js";
import { asProviderError, detailsOf, failure, type ProviderError } from "../errors.js";
import { linked, type WorkerLink, type WorkerScript } from "./worker-link.js";
import {
  type Question,
  type Report,
  unpack,
  type WorkerCall,
  type WorkerResult,
} from "./worker-protocol.js";

/** The engine whose module runs in a worker. */
export class WorkerEngine implements Engine {
  readonly #script: WorkerScript;
  readonly #load: LoadModule;
  #link: WorkerLink | undefined;
  /** Open calls and streams. */
  readonly #going = new Set<Promise<unknown>>();

  private constructor(script: WorkerScript, load: LoadModule) {
    this.#script = script;
    this.#load = load;
  }

  /** start starts the worker while the module is looked for and loads. */
  static async start(
    script: WorkerScript,
    load: LoadModule,
    found: Promise<unknown>,
  ): Promise<WorkerEngine> {
    const starter = {};
    const starting = linked(script, starter);
    starting.catch(() => {}); // Awaited below, unless an earlier error makes it irrelevant.
    try {
      await found;
      await starting;
      const engine = new WorkerEngine(script, load);
      await engine.running();
      return engine;
    } finally {
      starting.then(
        (link) => {
          link.owners.delete(starter);
          link.stop();
        },
        () => {},
      );
    }
  }

  /** running returns the worker and the number of its running module. */
  async running(): Promise<[WorkerLink, number]> {
    this.#link = await linked(this.#script, this);
    return [this.#link, this.#link.module(this.#load())];
  }

  async call(method: CallMethod, call: EngineCall, stop: Stop): Promise<EngineResult> {
    const result = this.#call(method, call, stop).catch(
      (error): EngineResult => ({
        status: "error",
        error: asProviderError(error, call.provider),
        attempts: 0,
      }),
    );
    this.#follow(result);
    return result;
  }

  async #call(method: CallMethod, call: EngineCall, stop: Stop): Promise<EngineResult> {
    let stopped: ProviderError | undefined;
    stop.now = (error) => {
      stopped ??= error;
    };
    const [link, module] = await this.running();
    if (stopped) throw stopped;
    const { error, ...result } = await new Promise<WorkerResult>((resolve, reject) => {
      const id = link.begin({
        take: (report) => {
          if ("ask" in report) void answer(link, call, report);
          if (!("result" in report)) return;
          link.forget(id);
          resolve(report.result);
        },
        lost: reject,
      });
      link.send({ do: "call", id, module, method, call: portable(call) });
      stop.now = (error) => {
        stopped ??= error;
        link.send({ do: "end", id, error: detailsOf(error) });
      };
    });
    return error ? { ...result, error: failure(error, stopped) } : result;
  }

  open<T>(
    method: StreamMethod,
    call: EngineCall,
    read: ReadBatch<T>,
    events: StreamEvents,
  ): EngineStream<T> {
    const stream = new WorkerStream(this, method, call, read, events);
    this.#follow(stream.over);
    return stream;
  }

  /**
   * release ends the worker when the client's calls have ended, unless it is used again.
   */
  async release(): Promise<void> {
    await Promise.all(this.#going);
    if (this.#going.size > 0) return;
    this.#link?.owners.delete(this);
    this.#link?.stop();
  }

  #follow(over: Promise<unknown>): void {
    this.#going.add(over);
    over.then(() => this.#going.delete(over));
  }
}

/** portable returns a call without the parts that cannot be sent to a worker. */
function portable({ getToken, ...call }: EngineCall): WorkerCall {
  return getToken ? { ...call, renewable: true } : call;
}

/** answer sends the worker a token from the page. */
async function answer(
  link: WorkerLink,
  { getToken }: EngineCall,
  { ask, refused }: Question,
): Promise<void> {
  try {
    const token = (await getToken?.(refused)) ?? "";
    link.send({ do: "token", ask, token });
  } catch (error) {
    const message = (error as Error | undefined)?.message;
    const failure = typeof message === "string" ? message : String(error);
    link.send({ do: "token", ask, failure });
  }
}

/**
 * A stream whose batches come from the worker, which limits the number of unread ones.
 */
class WorkerStream<T> implements EngineStream<T> {
  /** Resolved when the stream has ended and no longer uses the worker. */
  readonly over: Promise<unknown>;
  readonly #provider: string;
  readonly #read: ReadBatch<T>;
  readonly #events: StreamEvents;
  readonly #begun: Promise<void>;
  readonly #services: string[] = [];
  /** Received batches and events in order. */
  readonly #reports: Report[] = [];
  /** What is to be sent once the worker is there. */
  #unsent: Bytes[] = [];
  #link: WorkerLink | undefined;
  #id = 0;
  #stopped: ProviderError | undefined;
  #wake: () => void = () => {};
  #finish: () => void = () => {};

  constructor(
    engine: WorkerEngine,
    method: StreamMethod,
    call: EngineCall,
    read: ReadBatch<T>,
    events: StreamEvents,
  ) {
    this.#provider = call.provider;
    this.#read = read;
    this.#events = events;
    this.#begun = this.#begin(engine, method, call);
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    this.over = Promise.allSettled([this.#begun, finished]);
  }

  async #begin(engine: WorkerEngine, method: StreamMethod, call: EngineCall): Promise<void> {
    const [link, module] = await engine.running();
    if (this.#stopped) return;
    this.#link = link;
    this.#id = link.begin({
      take: (report) => {
        if ("ask" in report) void answer(link, call, report);
        else this.#take(report);
      },
      // After the batches received before.
      lost: (error) => this.#take({ id: this.#id, failed: detailsOf(error) }),
    });
    link.send({ do: "open", id: this.#id, module, method, call: portable(call) });
    for (const message of this.#unsent.splice(0)) this.send(message);
  }

  #take(report: Report): void {
    // Events are reported after the batches that precede them have been read.
    if (this.#reports.length > 0 || !this.#tell(report)) this.#reports.push(report);
    this.#wake();
  }

  /** tell reports an event. It returns whether the message was one. */
  #tell(report: Report): boolean {
    if ("state" in report) {
      this.#events.state(report.state, report.error && failure(report.error));
      return true;
    }
    if ("route" in report) {
      this.#events.route?.(report.route);
      return true;
    }
    if ("retry" in report) {
      this.#events.retry?.(report.retry);
      return true;
    }
    if ("gap" in report) {
      this.#events.gap(report.gap);
      return true;
    }
    return false;
  }

  async read(): Promise<T[] | undefined> {
    try {
      await this.#begun;
      if (sliceIsOver()) await yieldToPage();
      for (;;) {
        if (this.#stopped) throw this.#stopped;
        const report = this.#reports.shift();
        if (!report) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        } else if ("batch" in report) {
          const { batch } = report;
          if (batch.names) this.#services.push(...batch.names);
          const items = this.#read(unpack(batch, this.#services));
          this.#link?.send({ do: "more", id: this.#id, room: batch.data }, [batch.data]);
          return items;
        } else if (!this.#tell(report)) {
          this.#forget();
          if ("failed" in report) throw failure(report.failed);
          return undefined;
        }
      }
    } catch (error) {
      throw this.#stopped ?? asProviderError(error, this.#provider);
    }
  }

  send(message: Bytes): void {
    if (this.#link) this.#link.send({ do: "send", id: this.#id, message }, [message.buffer]);
    else if (!this.#stopped && this.#id === 0) this.#unsent.push(message);
  }

  hurry(): void {
    this.#link?.send({ do: "hurry", id: this.#id });
  }

  close(error: ProviderError): void {
    if (this.#stopped) return;
    this.#stopped = error;
    this.#unsent = [];
    this.#reports.length = 0;
    this.#link?.send({ do: "end", id: this.#id, error: detailsOf(error) });
    this.#forget();
    this.#wake();
  }

  #forget(): void {
    this.#link?.forget(this.#id);
    this.#link = undefined;
    this.#finish();
  }
}
