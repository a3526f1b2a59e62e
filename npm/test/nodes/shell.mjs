// node shell.mjs BRIDGE_URL CONTAINER
//
// Runs commands, a shell and transfers in a container, and prints what it got.

import { createClient } from "../../dist/node.js";

const [bridgeUrl, containerText] = process.argv.slice(2);
const container = JSON.parse(containerText);
const client = await createClient({ bridgeUrl });

/** Returns what a result is about, or its error. */
const told = ({ error, response }, about) =>
  error ? { code: error.code, reason: error.reason, message: error.message } : about(response);

const stdin = "grüße\n".repeat(20_000);
const path = "a file";
const printed = {
  plain: told(await client.exec({ ...container, command: ["echo", "hello"] }), (r) => r.stdout),
  counted: told(await client.exec({ ...container, command: ["wc", "-c"], stdin }), (r) =>
    r.stdout.trim(),
  ),
  up: told(await client.uploadFile({ ...container, path, data: stdin }), (r) => r.verified),
  down: await told(await client.downloadFile({ ...container, path }), async ({ stream, done }) => {
    const text = await new Response(stream).text();
    return text === stdin && (await done).verified;
  }),
};

const shell = client.shell({ ...container, columns: 100, rows: 30 });
try {
  await shell.stdin.getWriter().write("stty size; echo un''iq; exit 7\n");
  let seen = "";
  for await (const piece of shell.stdout) seen += new TextDecoder().decode(piece);
  printed.shell = { exit: await shell.exit, seen };
} catch (error) {
  printed.shell = told({ error });
}
console.log(JSON.stringify(printed));
await client.cleanupConnections();
