import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

/** A static host of a directory, with the Content-Security-Policy that the README names, and what worker-src it has. */
export class Site {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(directory: string, bridgeUrl: string, worker: string): Promise<Site> {
    // Parcel puts an import map into the page, which it leaves to its author to allow.
    const markup = await readFile(join(directory, "index.html"), "utf8");
    const [, map] = /<script type=importmap>(.*?)<\/script>/s.exec(markup) ?? [];
    const hash = map && `'sha256-${createHash("sha256").update(map).digest("base64")}'`;
    const policy = [
      "default-src 'none'",
      "img-src data:",
      `script-src 'self' 'wasm-unsafe-eval' ${hash ?? ""}`,
      `worker-src ${worker}`,
      `connect-src 'self' ${bridgeUrl} ${bridgeUrl.replace("http:", "ws:")}`,
    ].join("; ");
    const server = createServer(async ({ url = "/" }, response) => {
      const { pathname } = new URL(url, "http://host");
      const path = normalize(pathname.endsWith("/") ? `${pathname}index.html` : pathname);
      try {
        const body = await readFile(join(directory, path));
        response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
        response.setHeader("Content-Security-Policy", policy);
        response.end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Site(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
