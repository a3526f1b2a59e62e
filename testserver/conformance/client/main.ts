// The program under test: a page of a browser. Whoever connects to it sends
// ClientCompatRequests and receives ClientCompatResponses for the calls that the page has
// made. Each message follows its length, a big-endian 32-bit number.
//
//   node main.js CLIENT [--browser chromium|firefox|webkit] [--parallel N]
//
// CLIENT is the name of a page script in this directory: connect, grpc-web or akash. It
// prints its port when the page is ready, and ends with its stdin.

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createListener, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { launch } from "../../../npm/test/browsers/drivers.mjs";
import { launchOptions } from "../../chromium.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    browser: { type: "string", default: "chromium" },
    // The number of concurrent calls. With HTTP/1.1, browsers open six connections per
    // host. More calls would wait for a connection while their deadlines run.
    parallel: { type: "string", default: "4" },
  },
});
const client = positionals[0];
if (client === undefined) throw new Error("want a client: connect, grpc-web or akash");

const site = await serve(new URL("./", import.meta.url));
const browser = await start(values.browser);
const page = await open(`http://localhost:${(site.address() as AddressInfo).port}/?${client}`);

const listener = createListener({ allowHalfOpen: true }, (socket) => {
  answer(socket).catch((error) => socket.destroy(error));
});
listener.listen(0, "127.0.0.1", () => console.log((listener.address() as AddressInfo).port));

process.stdin.resume().on("end", async () => {
  listener.close();
  await browser.close();
  site.closeAllConnections();
  site.close();
});

/** Makes the calls that are requested over a connection. */
async function answer(socket: Socket): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for await (const request of messages(socket)) {
    const call = invoke(page, request)
      .then((response) => void socket.write(framed(response)))
      .finally(() => underWay.delete(call));
    underWay.add(call);
    if (underWay.size >= Number(values.parallel)) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  socket.end();
}

/** Starts a browser that accepts the certificates that the suite's servers have just created. */
function start(name: string): Promise<Browser> {
  if (name !== "chromium") return launch(name);
  return chromium.launch(launchOptions("--ignore-certificate-errors"));
}

/** Serves the page and its scripts, so that calls have a real Origin. */
async function serve(root: URL): Promise<Server> {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (url.pathname === "/") {
      response.setHeader("content-type", "text/html");
      response.end(
        `<!doctype html><script type="module" src="/${url.search.slice(1)}.js"></script>`,
      );
      return;
    }
    try {
      const types: Record<string, string> = {
        ".js": "text/javascript",
        ".wasm": "application/wasm",
      };
      const extension = url.pathname.slice(url.pathname.lastIndexOf("."));
      const body = await readFile(new URL(`.${url.pathname}`, root));
      response.setHeader("content-type", types[extension] ?? "application/octet-stream");
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, "localhost", listening));
  return server;
}

/** Opens the page and copies its errors to stderr, which the runner shows. */
async function open(url: string): Promise<Page> {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(`page: ${error.stack ?? error}`));
  if (process.env.VERBOSE)
    page.on("console", (message) => console.error(`page: ${message.text()}`));
  await page.goto(url);
  await page.waitForFunction("typeof globalThis.invoke === 'function'");
  return page;
}

/** Makes a call in the page. JSON is what can be exchanged with pages, hence the base64. */
async function invoke(page: Page, request: Buffer): Promise<Buffer> {
  const response = await page.evaluate(
    (encoded) => (globalThis as unknown as { invoke(r: string): Promise<string> }).invoke(encoded),
    request.toString("base64"),
  );
  return Buffer.from(response, "base64");
}

function framed(response: Buffer): Buffer {
  const frame = Buffer.alloc(4 + response.length);
  frame.writeUInt32BE(response.length);
  response.copy(frame, 4);
  return frame;
}

/** Yields the messages of a stream in which each follows its length. */
async function* messages(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending = Buffer.alloc(0);
  for await (const chunk of stream) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const end = 4 + pending.readUInt32BE();
      if (pending.length < end) break;
      yield pending.subarray(4, end);
      pending = pending.subarray(end);
    }
  }
}
