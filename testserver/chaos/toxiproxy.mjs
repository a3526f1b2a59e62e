// Links that can be cut and stalled, implemented with the HTTP API of Shopify's
// toxiproxy.

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
    await this.#request("POST", "/proxies", { name, listen, upstream, enabled: true });
  }

  /** Closes all connections of a link once. */
  async cut(link) {
    await this.#request("POST", `/proxies/${link}`, { enabled: false });
    await this.#request("POST", `/proxies/${link}`, { enabled: true });
  }

  /** Closes each connection of a link after a number of bytes towards the page. */
  limit(link, bytes) {
    return this.#addToxic(link, ["downstream"], "limit_data", { bytes });
  }

  /**
   * Stops the data on a link without closing connections. When the stall ends, the
   * data is delivered, or, if lost is set, the connections are closed.
   */
  stall(link, directions, lost) {
    return lost
      ? this.#addToxic(link, directions, "timeout", { timeout: 0 })
      : this.#addToxic(link, directions, "bandwidth", { rate: 0 });
  }

  /** Ends limits and stalls. */
  restore(link) {
    return Promise.all(
      ["upstream", "downstream"].map((stream) =>
        this.#request("DELETE", `/proxies/${link}/toxics/${stream}`).catch(() => {}),
      ),
    );
  }

  async #addToxic(link, streams, type, attributes) {
    for (const stream of streams) {
      const toxic = { name: stream, type, stream, toxicity: 1, attributes };
      await this.#request("POST", `/proxies/${link}/toxics`, toxic);
    }
  }

  async #request(method, path, body) {
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
