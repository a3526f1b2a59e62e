// Runs the demo of "make run": a fake provider and chain, a bridge that uses that chain,
// and in front of it a server that gives pages a wallet of the fake provider's tenant. It
// prints the dashboard's address.
//
//   node web/demo.mjs [--listen ADDRESS:PORT] [--lie NAME] [--nodes N]
//
// With --lie the chain has three nodes, or N, of which the first one tells that lie.
// By default that server listens on port 8080 of this machine only, or on a free port
// if that one is taken. Ctrl-C stops everything.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { serve } from "./front.mjs";
import { start } from "./program.mjs";
import { bin, dashboard, listenAddress } from "./stage.mjs";
import { wallet } from "./wallet.mjs";

const { values } = parseArgs({
  options: { listen: { type: "string" }, lie: { type: "string" }, nodes: { type: "string" } },
});
const nodes = values.nodes ?? (values.lie ? "3" : "1");

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

/** Starts a program from bin/. If it ends, the demo ends. */
async function run(name, ...args) {
  const program = await start(join(bin, name), args);
  programs.push(program);
  program.ended.then((how) => {
    // Ctrl-C reaches all programs at once; this one may receive it last.
    if (stopping || how === 0) return stop(0);
    console.error(`${name} ended (${how})`);
    stop(1);
  });
  return program.ready;
}

/** Says which node lies, and how to see and change that. */
function liar(fake) {
  return `  Chain      node 1 of ${nodes} lies: ${values.lie}
             curl ${fake.control}/visits                                what reached the impostor
             curl ${fake.control}/lies                                  all lies
             curl -X POST '${fake.control}/lie?node=1&name=forged-host'  another one
`;
}

try {
  const free = "127.0.0.1:0";
  const fake = await run(
    "testserver",
    ...["--rest", free, "--grpc", free, "--chain", free],
    ...["--log-lines", "5000", "--log-rate", "10", "--chain-nodes", nodes],
    ...(values.lie ? ["--chain-lie", `1:${values.lie}`] : []),
  );
  const chain = fake.chainNodes?.map((node) => node.url) ?? [fake.chainRpc];
  const bridge = await run(
    "akash-provider-bridge",
    ...["--listen", free],
    ...chain.flatMap((node) => ["--chain-rpc", node]),
    ...["--grpc-port", fake.grpc.split(":").at(-1), "--allow-private-networks"],
  );
  const address = await listenAddress(values.listen, "run");
  const front = await serve(address, () => new URL(bridge.url), [wallet(() => fake)]);
  console.log(`
  Dashboard  ${dashboard(front.url)}
             Sign in with the demo wallet: it signs as the tenant of a lease.
  Provider   ${fake.provider} at ${fake.hostUri} (fake)
  Bridge     ${bridge.url}, whose health is at /healthz
${values.lie ? liar(fake) : ""}
  Ctrl-C stops everything.
`);
} catch (error) {
  console.error(error.message);
  await stop(1);
}
