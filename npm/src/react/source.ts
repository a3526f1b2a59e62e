import type { Client } from "../client.js";

/**
 * Source is where stores get their client, not before they need it: what React
 * renders on a server needs none.
 */
export class Source {
  readonly #make: () => Client | Promise<Client>;
  #client: Promise<Client> | undefined;

  constructor(make: () => Client | Promise<Client>) {
    this.#make = make;
  }

  /** get returns the client. One that could not be made is made anew the next time. */
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

/** sourceOf returns the source of a client, or of a promise of one, always the same. */
export function sourceOf(client: Client | Promise<Client>): Source {
  let source = sources.get(client);
  if (!source) {
    source = new Source(() => client);
    sources.set(client, source);
  }
  return source;
}
