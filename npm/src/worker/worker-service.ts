import type { Bytes } from "../bytes.js";
import type { Batch, EngineCall, EngineStream, Stop } from "../engine/engine.js";
import { tell } from "../engine/network.js";
import { WasmEngine } from "../engine/wasm-engine.js";
import { detailsOf, failure, ProviderError } from "../errors.js";
import {
  type Greeting,
  type Order,
  type Parcel,
  pack,
  type Report,
  Rooms,
  type WorkerCall,
  window,
} from "./worker-protocol.js";

/**
 * listen waits for the page's port, which comes with the first message, and serves it.
 */
export function listen(): void {
  globalThis.addEventListener(
    "message",
    async ({ data, ports: [port] }: MessageEvent<Greeting>) => {
      if (!port) return;
      if (data.lock) await hold(data.lock);
      serve(port);
    },
    { once: true },
  );
}

/**
 * hold returns when the worker holds the lock. It keeps the lock until the worker
 * ends, which is the only way for the page to detect that.
 */
function hold(name: string): Promise<void> {
  return new Promise((resolve) => {
    const forever = () => {
      resolve();
      return new Promise(() => {});
    };
    // If the page may not use locks, the worker runs without one.
    navigator.locks.request(name, forever).catch(() => resolve());
  });
}

/** serve makes engines process the page's messages. */
export function serve(port: MessagePort): void {
  const service = new Service(port);
  port.onmessage = ({ data }: MessageEvent<Order>) => service.take(data);
  port.postMessage({ id: 0, ready: true } satisfies Report);
}

/** The open calls and streams by number. */
interface Going {
  end(error: ProviderError): void;
  /** Allows another batch to be sent. */
  more?(room: ArrayBuffer): void;
  /** Sends a message after the request. */
  send?(message: Bytes): void;
  /** Connects at once instead of waiting. */
  hurry?(): void;
}

/** A module that the page loads, and its engine, which takes calls before. */
class Loading {
  readonly engine: WasmEngine;
  take: (module: WebAssembly.Module | PromiseLike<never>) => void = () => {};

  constructor() {
    const module = new Promise<WebAssembly.Module>((resolve) => {
      this.take = resolve;
    });
    this.engine = new WasmEngine(() => module);
  }
}

class Service {
  readonly #port: MessagePort;
  readonly #modules = new Map<number, Loading>();
  readonly #going = new Map<number, Going>();
  /** The calls that wait for tokens, by request. */
  readonly #asked = new Map<number, (answer: Order & { do: "token" }) => void>();
  #asks = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  take(order: Order): void {
    switch (order.do) {
      case "load":
        this.#module(order.id).take(
          "module" in order ? order.module : Promise.reject(failure(order.failure)),
        );
        break;
      case "call":
        void this.#call(order);
        break;
      case "open":
        this.#open(order);
        break;
      case "more":
        this.#going.get(order.id)?.more?.(order.room);
        break;
      case "send":
        this.#going.get(order.id)?.send?.(order.message);
        break;
      case "hurry":
        this.#going.get(order.id)?.hurry?.();
        break;
      case "end":
        this.#going.get(order.id)?.end(new ProviderError(order.error));
        break;
      case "tell":
        tell(order.network);
        break;
      case "token":
        this.#asked.get(order.ask)?.(order);
        this.#asked.delete(order.ask);
        break;
    }
  }

  #report(report: Report, transfer: Transferable[] = []): void {
    this.#port.postMessage(report, transfer);
  }

  async #call({ id, module, method, call }: Order & { do: "call" }): Promise<void> {
    const stop: Stop = {};
    this.#going.set(id, { end: (error) => stop.now?.(error) });
    const result = await this.#module(module).engine.call(method, this.#withTokens(id, call), stop);
    this.#going.delete(id);
    const { error, ...rest } = result;
    this.#report({ id, result: error ? { ...rest, error: detailsOf(error) } : rest });
  }

  #open({ id, module, method, call }: Order & { do: "open" }): void {
    let known = 0;
    const rooms = new Rooms();
    const read = (batch: Batch): Parcel[] => {
      const parcel = pack(batch, known, rooms);
      known = batch.services.length;
      return [parcel];
    };
    const { engine } = this.#module(module);
    const stream = engine.open(method, this.#withTokens(id, call), read, {
      state: (state, error) => this.#report({ id, state, error: error && detailsOf(error) }),
      gap: (gap) => this.#report({ id, gap }),
      route: (route) => this.#report({ id, route }),
      retry: (retry) => this.#report({ id, retry }),
    });
    const credit = new Credit();
    this.#going.set(id, {
      end: (error) => {
        this.#going.delete(id);
        stream.close(error);
      },
      more: (room) => {
        rooms.give(room);
        credit.give();
      },
      send: (message) => stream.send(message),
      hurry: () => stream.hurry(),
    });
    void this.#send(id, stream, credit);
  }

  /** send reports a stream's batches and events until it ends or is closed. */
  async #send(id: number, stream: EngineStream<Parcel>, credit: Credit): Promise<void> {
    let last: Report = { id, ended: true };
    try {
      for (;;) {
        await credit.take();
        const parcels = await stream.read();
        if (!parcels) break;
        for (const batch of parcels) this.#report({ id, batch }, [batch.data]);
      }
    } catch (error) {
      last = { id, failed: detailsOf(error as ProviderError) };
    }
    if (this.#going.delete(id)) this.#report(last);
  }

  #module(id: number): Loading {
    const known = this.#modules.get(id);
    if (known) return known;
    const loading = new Loading();
    this.#modules.set(id, loading);
    return loading;
  }

  /** withTokens adds a getToken to a call, which requests tokens from the page. */
  #withTokens(id: number, { renewable, ...call }: WorkerCall): EngineCall {
    if (!renewable) return call;
    const getToken = (refused: string) =>
      new Promise<string>((resolve, reject) => {
        const ask = ++this.#asks;
        this.#asked.set(ask, (answer) =>
          "token" in answer ? resolve(answer.token) : reject(new Error(answer.failure)),
        );
        this.#report({ id, ask, refused });
      });
    return { ...call, getToken };
  }
}

/** Counts how many batches may be sent. */
class Credit {
  #left = window;
  #wake = () => {};

  async take(): Promise<void> {
    while (this.#left === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#left--;
  }

  give(): void {
    this.#left++;
    this.#wake();
  }
}
