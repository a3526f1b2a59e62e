// Links that can be cut and stalled: Shopify's toxiproxy, by its HTTP API.

import { startAt } from "../bench/driver/program.mjs";

export class Toxiproxy {
  #url;
  #program;

  static async start(file, port) {
    const proxy = new Toxiproxy();
    proxy.#url = `http://127.0.0.1:${port}`;
    proxy.#program = await startAt(port, file, "-host", "127.0.0.1", "-port", `${port}`);
    return proxy;
  }

  /** Adds a link from one port to another. */
  async link(name, from, to) {
    const [listen, upstream] = [`127.0.0.1:${from}`, `127.0.0.1:${to}`];
    await this.#ask("POST", "/proxies", { name, listen, upstream, enabled: true });
  }

  /** Closes all connections of a link, once. */
  async cut(link) {
    await this.#ask("POST", `/proxies/${link}`, { enabled: false });
    await this.#ask("POST", `/proxies/${link}`, { enabled: true });
  }

  /** Has each connection of a link be closed after so many bytes towards the page. */
  limit(link, bytes) {
    return this.#poison(link, ["downstream"], "limit_data", { bytes });
  }

  /**
   * Stops what flows through a link, but closes nothing. When that is over, what was
   * held back flows on, or, if it was lost, its connections are closed.
   */
  stall(link, directions, lost) {
    return lost
      ? this.#poison(link, directions, "timeout", { timeout: 0 })
      : this.#poison(link, directions, "bandwidth", { rate: 0 });
  }

  /** Ends all that limit and stall began. */
  heal(link) {
    return Promise.all(
      ["upstream", "downstream"].map((stream) =>
        this.#ask("DELETE", `/proxies/${link}/toxics/${stream}`).catch(() => {}),
      ),
    );
  }

  async #poison(link, streams, type, attributes) {
    for (const stream of streams) {
      const toxic = { name: stream, type, stream, toxicity: 1, attributes };
      await this.#ask("POST", `/proxies/${link}/toxics`, toxic);
    }
  }

  async #ask(method, path, body) {
    const response = await fetch(this.#url + path, {
      method,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`toxiproxy: ${method} ${path}: ${text}`);
  }

  stop() {
    return this.#program.stop();
  }
}
