import type { Client } from "../client.js";

/**
 * Source provides stores with their client when they need it. React's rendering on a
 * server needs none.
 */
export class Source {
  readonly #make: () => Client | Promise<Client>;
  #client: Promise<Client> | undefined;

  constructor(make: () => Client | Promise<Client>) {
    this.#make = make;
  }

  /** get returns the client. If creating it failed, the next call creates it again. */
  get(): Promise<Client> {
    this.#client ??= this.#try();
    return this.#client;
  }

  async #try(): Promise<Client> {
    try {
      return await this.#make();
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }
}

const sources = new WeakMap<object, Source>();

/**
 * sourceOf returns the source of a client, or of a promise of one. It is always the same
 * for the same argument.
 */
export function sourceOf(client: Client | Promise<Client>): Source {
  let source = sources.get(client);
  if (!source) {
    source = new Source(() => client);
    sources.set(client, source);
  }
  return source;
}
