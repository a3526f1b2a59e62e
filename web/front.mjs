// A server in front of a bridge, for "make run" and "make dev": it adds scripts to the
// page, such as that of the demo's wallet, which the bridge itself does not have. Its
// address does not change when the bridge is restarted.

import { once } from "node:events";
import { createServer, request as send } from "node:http";
import { connect } from "node:net";

/**
 * What is added to a bridge.
 *
 * @typedef {object} Addition
 * @property {string} script the path of a script for every page
 * @property {Record<string, import("node:http").RequestListener>} files what is served, by path
 */

/**
 * Serves what the bridge at target() serves, and additions.
 *
 * @param {string} address HOST:PORT to listen on; port 0 picks a free one
 * @param {() => URL | undefined} target the bridge's address, undefined while there is none
 * @param {Addition[]} additions
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export async function serve(address, target, additions) {
  const files = Object.assign({}, ...additions.map(({ files }) => files));
  const tags = additions.map(({ script }) => `<script src="${script}"></script>`).join("");

  const server = createServer((request, response) => {
    const file = Object.hasOwn(files, request.url) && files[request.url];
    if (file) file(request, response);
    else forward(request, response);
  });

  function forward(request, response) {
    const bridge = target();
    if (!bridge) return refuse(response);
    const isPage = (request.headers.accept ?? "").includes("text/html");
    const headers = { ...request.headers };
    if (isPage) {
      // The page is modified here, so it is requested uncompressed.
      for (const name of ["accept-encoding", "if-none-match"]) delete headers[name];
    }
    const { hostname: host, port } = bridge;
    const up = send({ host, port, method: request.method, path: request.url, headers });
    up.on("error", () => (response.headersSent ? response.destroy() : refuse(response)));
    up.on("response", (answer) => {
      const type = answer.headers["content-type"] ?? "";
      if (!isPage || !type.startsWith("text/html")) {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
        return;
      }
      const { "content-length": _, etag: __, ...rest } = answer.headers;
      response.writeHead(answer.statusCode, { ...rest, "cache-control": "no-store" });
      answer.pipe(response, { end: false });
      answer.on("end", () => response.end(tags));
    });
    response.on("close", () => up.destroy());
    request.pipe(up);
  }

  function refuse(response) {
    response.writeHead(503, { "content-type": "text/plain", "retry-after": "1" });
    response.end("The bridge is not running. Try again in a moment.\n");
  }

  // WebSockets: the bytes are passed on unchanged.
  server.on("upgrade", (request, socket, head) => {
    const bridge = target();
    if (!bridge) return socket.destroy();
    const up = connect(Number(bridge.port), bridge.hostname);
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    }
    up.write(`${lines.join("\r\n")}\r\n\r\n`);
    up.write(head);
    for (const [from, to] of [
      [up, socket],
      [socket, up],
    ]) {
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });

  const [host, port] = address.split(":");
  server.listen(Number(port), host);
  await once(server, "listening");
  return {
    url: `http://${host}:${server.address().port}`,
    async close() {
      const closed = once(server, "close");
      server.close(); // first, so that no connection comes after the others are closed
      server.closeAllConnections();
      await closed;
    },
  };
}
