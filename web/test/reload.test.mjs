import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { onTestFinished, test } from "vitest";
import { serve } from "../front.mjs";
import { reloader } from "../reload.mjs";

/** Starts a server in a bridge's place, and the proxy before it. */
async function open(handler) {
  const bridge = createServer(handler);
  bridge.listen(0, "127.0.0.1");
  await once(bridge, "listening");
  const target = { url: new URL(`http://127.0.0.1:${bridge.address().port}`) };
  const pages = reloader();
  const proxy = await serve("127.0.0.1:0", () => target.url, [pages]);
  onTestFinished(async () => {
    await proxy.close();
    bridge.closeAllConnections();
    bridge.close();
  });
  return { bridge, target, proxy, pages };
}

test("a page loads itself again when it is told to", async () => {
  const { proxy, pages } = await open((_, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", etag: '"1"' });
    response.end("<h1>Dashboard</h1>");
  });
  const page = await fetch(`${proxy.url}/`, { headers: { accept: "text/html" } });
  const html = await page.text();
  assert.match(html, /^<h1>Dashboard<\/h1><script src="(.+)"><\/script>$/);
  assert.equal(page.headers.get("etag"), null);

  const script = await fetch(proxy.url + html.match(/src="(.+?)"/)[1]);
  assert.match(script.headers.get("content-type"), /javascript/);
  assert.match(await script.text(), /location\.reload/);

  const events = await fetch(`${proxy.url}/.dev/events`);
  const reader = events.body.pipeThrough(new TextDecoderStream()).getReader();
  const [, first] = (await reader.read()).value.match(/data: (.+)\n/);
  pages.reload();
  const [, second] = (await reader.read()).value.match(/data: (.+)\n/);
  assert.notEqual(first, second);
  await reader.cancel();
});

test("everything else goes through as it is", async () => {
  const { bridge, proxy } = await open(async (request, response) => {
    const body = [];
    for await (const piece of request) body.push(piece);
    response.writeHead(200, {
      "content-type": "application/grpc-web+proto",
      "akash-method": "grpc",
    });
    response.end(`${request.method} ${request.url} ${request.headers.host} ${Buffer.concat(body)}`);
  });
  const call = await fetch(`${proxy.url}/a.Service/Method?x`, { method: "POST", body: "frame" });
  assert.equal(call.headers.get("akash-method"), "grpc");
  const host = proxy.url.slice("http://".length);
  assert.equal(await call.text(), `POST /a.Service/Method?x ${host} frame`);

  bridge.on("upgrade", (request, socket, head) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    );
    socket.write(`origin ${request.headers.origin}\n`);
    socket.write(head);
    socket.pipe(socket);
  });
  const { hostname, port } = new URL(proxy.url);
  const socket = connect(Number(port), hostname);
  socket.setEncoding("utf8");
  let got = "";
  socket.on("data", (text) => (got += text));
  socket.write(
    `GET /ws HTTP/1.1\r\nhost: ${host}\r\norigin: ${proxy.url}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhello`,
  );
  while (!got.endsWith("hello")) await once(socket, "data");
  assert.match(got, /^HTTP\/1\.1 101/);
  assert.ok(got.includes(`origin ${proxy.url}\n`));
  socket.destroy();
});

test("while there is no bridge, it says so, and is there again after that", async () => {
  const { target, proxy } = await open((_, response) => response.end("back"));
  const { url } = target;
  target.url = undefined;
  assert.equal((await fetch(proxy.url)).status, 503);
  target.url = new URL("http://127.0.0.1:1");
  assert.equal((await fetch(proxy.url)).status, 503);
  target.url = url;
  assert.equal(await (await fetch(proxy.url)).text(), "back");
});
