// The demo behind "make run": a fake provider and chain, a bridge that trusts
// that chain, and the address of its dashboard.
//
//   node web/demo.mjs [--listen ADDRESS:PORT]
//
// Without --listen it is port 8080 of this machine only, or, where that is
// taken, a free one. Ctrl-C ends all of it.

import { once } from "node:events";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { start } from "./program.mjs";

const bin = join(dirname(fileURLToPath(import.meta.url)), "..", "bin");
const usual = "127.0.0.1:8080";

const { values } = parseArgs({ options: { listen: { type: "string" } } });

const programs = [];
let stopping = false;

async function stop(code) {
  if (stopping) return;
  stopping = true;
  await Promise.all(programs.map((program) => program.stop()));
  process.exit(code);
}

process.on("SIGINT", () => stop(0));
process.on("SIGTERM", () => stop(0));

/** Starts a program of bin/ that the demo cannot do without. */
async function run(name, ...args) {
  const program = await start(join(bin, name), args);
  programs.push(program);
  program.ended.then((how) => {
    // Ctrl-C reaches all programs at once, and this one may hear of it last.
    if (stopping || how === 0) return stop(0);
    console.error(`${name} ended (${how})`);
    stop(1);
  });
  return program.ready;
}

/** Returns whether the usual address can be listened on. */
async function isFree(address) {
  const [host, port] = address.split(":");
  const probe = createServer().listen({ host, port: Number(port) });
  try {
    await once(probe, "listening");
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

async function listenAddress() {
  if (values.listen) return values.listen;
  if (await isFree(usual)) return usual;
  console.log(`Port 8080 is taken; using a free one. Choose with: make run LISTEN=127.0.0.1:9000`);
  return "127.0.0.1:0";
}

/** Returns the dashboard's address, with what it needs in the fragment. */
function dashboard(url, fake) {
  const { owner, dseq, gseq, oseq } = fake.lease;
  const fields = new URLSearchParams({
    provider: fake.provider,
    owner,
    dseq,
    gseq,
    oseq,
    token: fake.jwt,
  });
  return `${url}/#${fields}`;
}

try {
  const free = "127.0.0.1:0";
  const fake = await run(
    "testserver",
    ...["--rest", free, "--grpc", free, "--chain", free],
    ...["--log-lines", "5000", "--log-rate", "10"],
  );
  const bridge = await run(
    "akash-provider-bridge",
    ...["--listen", await listenAddress(), "--chain-rpc", fake.chainRpc],
    ...["--grpc-port", fake.grpc.split(":").at(-1), "--allow-private-networks"],
  );
  console.log(`
  Dashboard  ${dashboard(bridge.url, fake)}
  Provider   ${fake.provider} at ${fake.hostUri} (fake)
  Health     ${bridge.url}/healthz

  Ctrl-C stops everything.
`);
} catch (error) {
  console.error(error.message);
  await stop(1);
}
