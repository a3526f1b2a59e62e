import { onNetwork } from "../engine/network.js";
import { asProviderError, detailsOf, ProviderError } from "../errors.js";
import { type Greeting, type Order, type Report, workerName } from "./worker-protocol.js";

/** The script of a worker. */
export interface WorkerScript {
  url: URL;
  type: WorkerType;
  /** The script's required hash (Subresource Integrity), if any. */
  integrity?: string | undefined;
}

/** How long a worker may take to start, in milliseconds. */
const startTimeout = 30_000;

/** The receiver of messages with a given number. */
export interface Listener {
  take(report: Report): void;
  /** The worker has ended; no more messages will come. */
  lost(error: ProviderError): void;
}

/** A running worker, and its calls and streams. */
export class WorkerLink {
  /** Why the worker has ended; undefined while it runs. */
  gone: ProviderError | undefined;
  /** The engines that use it. */
  readonly owners = new Set<object>();
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #listeners = new Map<number, Listener>();
  readonly #modules = new Map<Promise<WebAssembly.Module>, number>();
  /** Stops waiting for the worker's lock. */
  readonly #unlock = new AbortController();
  /** Stops telling the worker about the network. */
  #untell = () => {};
  #last = 0;

  private constructor(worker: Worker, port: MessagePort) {
    this.#worker = worker;
    this.#port = port;
  }

  /** start starts a worker, and returns when it is ready. */
  static async start(script: WorkerScript): Promise<WorkerLink> {
    const { worker, started } = await spawn(script);
    const { port1, port2 } = new MessageChannel();
    const link = new WorkerLink(worker, port1);
    const lock = globalThis.navigator?.locks && `${workerName} ${crypto.randomUUID()}`;
    let late: ReturnType<typeof setTimeout> | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        late = setTimeout(
          () => reject(cannotStart(script, `it did not answer within ${startTimeout} ms`)),
          startTimeout,
        );
        // An error because of a policy or the network has no message.
        worker.onerror = ({ message }) => reject(cannotStart(script, message));
        port1.onmessage = () => resolve();
        worker.postMessage({ lock } satisfies Greeting, [port2]);
      });
    } catch (error) {
      link.#close(error as ProviderError);
      throw error;
    } finally {
      clearTimeout(late);
      started();
    }
    link.#attend(lock);
    return link;
  }

  /** attend receives messages, and detects the worker's end. */
  #attend(lock: string | undefined): void {
    const crash = (why: string) => this.#close(crashed(why));
    this.#worker.onerror = ({ message }) => crash(message);
    this.#worker.onmessageerror = () => crash("a message could not be read");
    this.#port.onmessageerror = () => crash("a message could not be read");
    this.#port.onmessage = ({ data }: MessageEvent<Report>) =>
      this.#listeners.get(data.id)?.take(data);
    this.#untell = onNetwork((network) => this.send({ do: "tell", network }));
    if (!lock) return;
    navigator.locks
      .request(lock, { signal: this.#unlock.signal }, () => crash("it was ended"))
      .catch(() => {});
  }

  /**
   * module returns the number of a module, for calls. The worker gets the module, and
   * starts it, when it has loaded.
   */
  module(loading: Promise<WebAssembly.Module>): number {
    const known = this.#modules.get(loading);
    if (known !== undefined) return known;
    const id = ++this.#last;
    this.#modules.set(loading, id);
    loading.then(
      (module) => this.send({ do: "load", id, module }),
      (error) => {
        this.#modules.delete(loading);
        this.send({ do: "load", id, failure: detailsOf(asProviderError(error)) });
      },
    );
    return id;
  }

  /** begin assigns a number to a receiver of messages. */
  begin(listener: Listener): number {
    if (this.gone) throw this.gone;
    this.#last++;
    this.#listeners.set(this.#last, listener);
    return this.#last;
  }

  forget(id: number): void {
    this.#listeners.delete(id);
  }

  send(order: Order, transfer: Transferable[] = []): void {
    if (!this.gone) this.#port.postMessage(order, transfer);
  }

  /** stop ends the worker if no engine uses it. */
  stop(): void {
    if (this.owners.size > 0) return;
    this.#close(new ProviderError({ code: "CANCELLED", message: "the worker was ended" }));
  }

  #close(error: ProviderError): void {
    if (this.gone) return;
    this.gone = error;
    this.#unlock.abort();
    this.#untell();
    this.#worker.terminate();
    this.#port.close();
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    for (const listener of listeners) listener.lost(error);
  }
}

/** spawn creates a worker. started must be called when its script has been loaded. */
async function spawn(script: WorkerScript): Promise<{ worker: Worker; started: () => void }> {
  const { url, type } = script;
  if (typeof Worker !== "function") {
    throw new ProviderError({
      code: "UNIMPLEMENTED",
      message:
        "there are no Web Workers here: leave out worker, and the client works where it is called",
    });
  }
  const options: WorkerOptions = { type, name: workerName };
  try {
    if (isOwn(script)) return { worker: new Worker(url, options), started: () => {} };
    const code = new Blob([await proxy(script)], { type: "text/javascript" });
    const blob = URL.createObjectURL(code);
    return { worker: new Worker(blob, options), started: () => URL.revokeObjectURL(blob) };
  } catch (error) {
    throw cannotStart(script, String(error), error);
  }
}

/** isOwn reports whether the script itself may be used as the worker's script. */
function isOwn({ url, integrity }: WorkerScript): boolean {
  return !integrity && (url.origin === globalThis.location?.origin || url.protocol === "blob:");
}

/**
 * proxy returns a script that runs another script. Browsers do not start workers from
 * another origin and do not check hashes of workers, but a worker of the page's origin
 * may load a script from elsewhere.
 */
async function proxy({ url, type, integrity }: WorkerScript): Promise<string> {
  if (integrity) return (await fetch(url, { integrity })).text();
  const text = JSON.stringify(url.href);
  return type === "module" ? `import ${text};` : `importScripts(${text});`;
}

function cannotStart(script: WorkerScript, why: string | undefined, cause?: unknown) {
  const policy = isOwn(script) ? "worker-src 'self'" : "worker-src blob:";
  return new ProviderError({
    code: "UNAVAILABLE",
    message: `cannot start a worker from ${script.url}${why ? ` (${why})` : ""}: is it there, or where workerUrl says, and does the page's Content-Security-Policy allow it (${policy})?`,
    cause,
  });
}

function crashed(why: string): ProviderError {
  return new ProviderError({
    code: "INTERNAL",
    message: `the worker has crashed (${why || "no message"}); the next call starts another one`,
  });
}

/** Running workers by script, shared by all clients. */
const links = new Map<string, Promise<WorkerLink>>();

/** linked returns the worker for a script, and starts it if necessary. */
export async function linked(script: WorkerScript, owner: object): Promise<WorkerLink> {
  const { href } = script.url;
  for (;;) {
    let starting = links.get(href);
    if (!starting) {
      starting = WorkerLink.start(script);
      links.set(href, starting);
    }
    const link = await starting.catch((error) => {
      if (links.get(href) === starting) links.delete(href);
      throw asProviderError(error);
    });
    if (!link.gone) {
      link.owners.add(owner);
      return link;
    }
    if (links.get(href) === starting) links.delete(href);
  }
}
