// Serves the page and the built package, as a static host would.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL("page/", import.meta.url));
const dist = fileURLToPath(new URL("../../npm/dist/", import.meta.url));

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

export class Site {
  #server = createServer(async ({ url }, response) => {
    const path = normalize(new URL(url, "http://host").pathname);
    const file = path.startsWith("/dist/") ? join(dist, path.slice(6)) : join(here, path);
    try {
      const body = await readFile(file);
      response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  url = "";

  static async open() {
    const site = new Site();
    site.#server.listen(0, "127.0.0.1");
    await once(site.#server, "listening");
    site.url = `http://127.0.0.1:${site.#server.address().port}`;
    return site;
  }

  async close() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
