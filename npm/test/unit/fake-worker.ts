import { serve } from "../../src/worker/worker-service.js";

/** Replaces Worker, and runs its code in this thread. */
export class FakeWorker implements Pick<Worker, "postMessage" | "terminate"> {
  /** The running workers. */
  static readonly running = new Set<FakeWorker>();

  readonly url: string;
  readonly options: WorkerOptions;
  onerror: ((event: Partial<ErrorEvent>) => void) | null = null;
  onmessageerror: (() => void) | null = null;
  #port: MessagePort | undefined;

  constructor(url: string | URL, options: WorkerOptions) {
    this.url = String(url);
    this.options = options;
    FakeWorker.running.add(this);
  }

  postMessage(_greeting: unknown, transfer: unknown): void {
    [this.#port] = transfer as [MessagePort];
    serve(this.#port);
  }

  terminate(): void {
    this.#port?.close();
    FakeWorker.running.delete(this);
  }
}
