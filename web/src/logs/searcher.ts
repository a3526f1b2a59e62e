// The page's side of the worker that searches.

import type { Answer, Query, Request } from "./search.js";

/** How long one answer may take before the search is given up, in milliseconds. */
const patience = 2_000;

/** The part of a Worker that is used. */
export interface SearchPort {
  postMessage(message: Request): void;
  terminate(): void;
  onmessage: ((event: { data: Answer }) => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
}

/** The search took too long, and was stopped. */
export class TooSlow extends Error {
  override readonly name = "TooSlow";
}

interface Asked {
  request: Request;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/**
 * Asks a worker, one question at a time, and ends it if it does not answer in time. The
 * next question starts another one.
 */
export class Searcher {
  readonly #open: () => SearchPort;
  readonly #patience: number;
  #port: SearchPort | undefined;
  #queue: Asked[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next = 0;

  constructor(open: () => SearchPort, patienceMs = patience) {
    this.#open = open;
    this.#patience = patienceMs;
  }

  ask(query: Query, lines: string[], where: boolean): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = { id: this.#next++, query, lines, where };
      this.#queue.push({ request, resolve, reject });
      if (this.#queue.length === 1) this.#send();
    });
  }

  #send(): void {
    const asked = this.#queue[0];
    if (!asked) return;
    const port = this.#start();
    this.#timer = setTimeout(
      () => this.#fail(new TooSlow("the search takes too long")),
      this.#patience,
    );
    port.postMessage(asked.request);
  }

  #start(): SearchPort {
    if (this.#port) return this.#port;
    const port = this.#open();
    this.#port = port;
    port.onmessage = ({ data }) => {
      if (port !== this.#port) return;
      const asked = this.#queue.shift();
      clearTimeout(this.#timer);
      asked?.resolve(data);
      this.#send();
    };
    port.onerror = ({ message }) => {
      if (port === this.#port) this.#fail(new Error(message ?? "the search failed"));
    };
    return port;
  }

  /** Gives up all that was asked, and ends the worker. */
  #fail(error: Error): void {
    const queue = this.#queue;
    this.close();
    for (const { reject } of queue) reject(error);
  }

  /** Forgets what was asked; its promises stay pending. */
  cancel(): void {
    // The worker may be busy with what nobody waits for.
    if (this.#queue.length > 0) this.close();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
    this.#port?.terminate();
    this.#port = undefined;
  }
}
