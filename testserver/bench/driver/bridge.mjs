// Measures the bridge beside its peers: the same calls to the same provider through
// each of them, and without a bridge.

import { freePort, start, startAt } from "./program.mjs";
import { compare } from "./rounds.mjs";
import { programs } from "./tools.mjs";

const peers = ["grpcwebproxy", "vanguard"];

/** How to start each bridge in front of a provider. */
const bridges = {
  async ours({ providers, header }, ...flags) {
    const program = await start(
      programs.bridge,
      "--listen=127.0.0.1:0",
      ...Object.entries(providers).map(([address, uri]) => `--provider=${address}=${uri}`),
      "--allow-private-networks",
      ...flags,
    );
    return { program, target: target(program, new URL(program.ready.url).host, header) };
  },

  // With default settings, except for the timeouts, which would end streams after
  // ten seconds.
  async grpcwebproxy({ grpc }) {
    const port = await freePort();
    const program = await startAt(
      port,
      programs.grpcwebproxy,
      `--backend_addr=${grpc}`,
      "--backend_tls",
      "--backend_tls_noverify",
      "--run_tls_server=false",
      "--server_bind_address=127.0.0.1",
      `--server_http_debug_port=${port}`,
      "--server_http_max_read_timeout=24h",
      "--server_http_max_write_timeout=24h",
    );
    return { program, target: target(program, `127.0.0.1:${port}`) };
  },

  async vanguard({ grpc }) {
    const program = await start(programs.vanguard, grpc);
    return { program, target: target(program, new URL(program.ready.url).host) };
  },
};

const target = ({ pid }, address, header = {}) => ({ pid, address, header });

/** Starts the provider and the pages. */
export const startLoad = () => start(programs.load);

/** Starts our bridge in front of the load's provider. */
export const startBridge = (load, ...flags) => bridges.ours(load.ready, ...flags);

/**
 * Starts every bridge in front of providers. Returns the contenders of a command, and a
 * function that stops them.
 */
async function startAll(load, providers) {
  const all = {};
  for (const [name, open] of Object.entries(bridges)) all[name] = await open(providers);
  const each = (command) => ({
    ...Object.fromEntries(
      Object.entries(all).map(([name, { target }]) => [
        name,
        () => load.ask({ ...command, target }),
      ]),
    ),
    native: () => load.ask({ ...command, target: {} }),
  });
  const stop = async () => {
    for (const { program } of Object.values(all)) await program.stop();
  };
  return { each, stop };
}

/** Measures everything and returns rows. */
export async function measureBridge({ rounds, news, warm, seconds, times }) {
  const load = await startLoad();
  const { each, stop } = await startAll(load, load.ready);
  const floods = await startAll(load, load.ready.floods);
  const rows = [];

  const unary = "bridge: unary, 64 callers";
  rows.push(
    ...(await compare(unary, rounds, each({ do: "unary", streams: 64, warm, seconds }), [
      {
        name: unary,
        unit: "requests/s",
        better: "higher",
        figure: "perSecond",
        ours: "ours",
        peers,
        floor: "native",
      },
      {
        name: `${unary}, CPU`,
        unit: "CPU s/1000 requests",
        better: "lower",
        figure: "cpuPerThousand",
        ours: "ours",
        peers,
      },
    ])),
  );
  for (const [what, size] of [
    ["200-byte", 200],
    ["16 KB", 16 << 10],
  ]) {
    const name = `bridge: 32 streams of ${what} messages`;
    rows.push(
      ...(await compare(
        name,
        rounds,
        floods.each({ do: "flood", streams: 32, size, warm, seconds }),
        [
          {
            name,
            unit: "messages/s",
            better: "higher",
            figure: "perSecond",
            ours: "ours",
            peers,
            floor: "native",
          },
          {
            name: `${name}, CPU`,
            unit: "messages/CPU s",
            better: "higher",
            figure: "perCpuSecond",
            ours: "ours",
            peers,
          },
        ],
      )),
    );
  }
  for (const [name, what] of [
    ["bridge: message of a quiet stream, p50", "first"],
    ["bridge: caller leaves → provider knows, p50", "cancel"],
  ]) {
    rows.push(
      ...(await compare(name, rounds, each({ do: what, times }), [
        { name, unit: "ms", better: "lower", figure: "p50", ours: "ours", peers, floor: "native" },
      ])),
    );
  }
  await stop();
  await floods.stop();

  // A bridge may keep memory that it has once used, so each round starts new
  // bridges.
  const idle = (name) => async () => {
    const { program, target } = await bridges[name](load.ready);
    const { bytesPerStream } = await load.ask({ do: "idle", streams: 1000, target });
    await program.stop();
    return { kilobytes: bytesPerStream / 1024 };
  };
  const name = "bridge: idle stream, of 1,000";
  rows.push(
    ...(await compare(
      name,
      news,
      Object.fromEntries(Object.keys(bridges).map((name) => [name, idle(name)])),
      [{ name, unit: "KB", better: "lower", figure: "kilobytes", ours: "ours", peers }],
    )),
  );
  await load.stop();
  return rows;
}
