// Serves the pages as a good host does: compressed in advance, with content hashes in
// names, and cacheable without limit.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { dist, root } from "./tools.mjs";

const types = { js: "text/javascript; charset=utf-8", wasm: "application/wasm" };

export class Site {
  #files = new Map();
  #pages = new Map();
  #server = createServer((request, response) => this.#serve(request, response));
  url = "";

  static async open() {
    const site = new Site();
    site.#server.listen(0, "127.0.0.1");
    await once(site.#server, "listening");
    site.url = `http://127.0.0.1:${site.#server.address().port}`;
    return site;
  }

  /** Adds a file and returns its path. */
  add(file) {
    const body = readFileSync(file);
    const hash = createHash("sha256").update(body).digest("hex").slice(0, 16);
    const [name, extension] = file.slice(file.lastIndexOf("/") + 1).split(".");
    const path = `/${name}.${hash}.${extension}`;
    this.#files.set(path, { body: brotliCompressSync(body), type: types[extension] });
    return path;
  }

  addScript = (name) => this.add(join(dist, `${name}.js`));
  addModule = () => this.add(join(root, "npm/dist/akash-provider-web.wasm"));
  addWorker = () => this.add(join(root, "npm/dist/worker.js"));

  /** Adds a page. */
  page(path, html) {
    this.#pages.set(
      path,
      `<!doctype html><link rel="icon" href="data:,"><title>bench</title>${html}`,
    );
    return this.url + path;
  }

  #serve({ url }, response) {
    const page = this.#pages.get(url.split("?")[0]);
    const file = this.#files.get(url);
    if (page) {
      response.setHeader("content-type", "text/html; charset=utf-8").end(page);
    } else if (file) {
      response
        .setHeader("content-type", file.type)
        .setHeader("content-encoding", "br")
        .setHeader("content-length", file.body.length)
        .setHeader("cache-control", "public, max-age=31536000, immutable")
        .end(file.body);
    } else {
      response.writeHead(404).end();
    }
  }

  async close() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
