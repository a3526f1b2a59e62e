// Measures the bridge beside its peers: the same calls to the same provider through
// each of them, in each way that pages reach a bridge, and without a bridge.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, start, startAt } from "./program.mjs";
import { compare } from "./rounds.mjs";
import { programs } from "./tools.mjs";

/**
 * @typedef {"" | "https" | "websocket"} Door how pages reach a bridge: by HTTP/1.1 in clear,
 *   by HTTP/2 with TLS, or by improbable's WebSockets in clear
 */

/** The peers that have a door. */
const peersAt = {
  "": ["grpcwebproxy", "vanguard"],
  https: ["grpcwebproxy", "vanguard"],
  websocket: ["grpcwebproxy"],
};

/** Our bridge's flags for a door. */
export const certificateFlags = ({ certificate, key }, door) =>
  door === "https" ? [`--tls-cert=${certificate}`, `--tls-key=${key}`] : [];

/** How to start each bridge in front of a provider, with files of a certificate for HTTPS. */
const bridges = {
  async ours({ providers, header }, door, files, ...flags) {
    const program = await start(
      programs.bridge,
      "--listen=127.0.0.1:0",
      ...Object.entries(providers).map(([address, uri]) => `--provider=${address}=${uri}`),
      "--allow-private-networks",
      ...certificateFlags(files, door),
      ...flags,
    );
    return { program, target: target(program, new URL(program.ready.url).host, door, header) };
  },

  // With default settings, except for the timeouts, which would end streams after
  // ten seconds.
  async grpcwebproxy({ grpc }, door, files) {
    const port = await freePort();
    const secure = door === "https";
    const debug = secure ? await freePort() : port;
    const program = await startAt(
      port,
      programs.grpcwebproxy,
      `--backend_addr=${grpc}`,
      "--backend_tls",
      "--backend_tls_noverify",
      `--run_tls_server=${secure}`,
      `--run_http_server=${!secure}`,
      "--server_bind_address=127.0.0.1",
      `--server_http_debug_port=${debug}`,
      `--server_http_tls_port=${port}`,
      ...(secure
        ? [`--server_tls_cert_file=${files.certificate}`, `--server_tls_key_file=${files.key}`]
        : []),
      ...(door === "websocket" ? ["--use_websockets", "--allow_all_origins"] : []),
      "--server_http_max_read_timeout=24h",
      "--server_http_max_write_timeout=24h",
    );
    return { program, target: target(program, `127.0.0.1:${port}`, door) };
  },

  async vanguard({ grpc }, door, files) {
    const secure = door === "https" ? [files.certificate, files.key] : [];
    const program = await start(programs.vanguard, grpc, ...secure);
    return { program, target: target(program, new URL(program.ready.url).host, door) };
  },
};

const target = ({ pid }, address, door, header = {}) => ({ pid, address, door, header });

/** Starts the provider and the pages, and writes the files of a certificate for bridges. */
export async function startLoad() {
  const load = await start(programs.load);
  const directory = mkdtempSync(join(tmpdir(), "bench-certificate-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  load.files = {};
  for (const name of ["certificate", "key"]) {
    load.files[name] = join(directory, `${name}.pem`);
    writeFileSync(load.files[name], load.ready[name], { mode: 0o600 });
  }
  return load;
}

/** Starts our bridge in front of the load's provider. */
export const startBridge = (load, door, ...flags) =>
  bridges.ours(load.ready, door, load.files, ...flags);

/**
 * Starts every bridge that has a door in front of providers. Returns the contenders of a
 * command, and a function that stops them.
 */
async function startAll(load, door, providers) {
  const all = {};
  for (const name of ["ours", ...peersAt[door]]) {
    all[name] = await bridges[name](providers, door, load.files);
  }
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

/** What rows of a door begin with. */
const titles = {
  "": "bridge",
  https: "bridge, HTTP/2 with TLS",
  websocket: "bridge, WebSocket",
};

/** Measures everything and returns rows. */
export async function measureBridge(effort) {
  const load = await startLoad();
  const rows = [];
  for (const door of Object.keys(titles)) rows.push(...(await measureDoor(load, door, effort)));
  await load.stop();
  return rows;
}

/** Measures the bridges in one of the ways that pages reach them. */
async function measureDoor(load, door, { rounds, news, warm, seconds, times }) {
  const title = titles[door];
  const peers = peersAt[door];
  const { each, stop } = await startAll(load, door, load.ready);
  const floods = await startAll(load, door, load.ready.floods);
  const rows = [];

  const unary = `${title}: unary, 64 callers`;
  // Pages make calls with one answer by fetch.
  if (door !== "websocket")
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
    const name = `${title}: 32 streams of ${what} messages`;
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
    [`${title}: message of a quiet stream, p50`, "first"],
    [`${title}: caller leaves → provider knows, p50`, "cancel"],
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
    const { program, target } = await bridges[name](load.ready, door, load.files);
    const { bytesPerStream } = await load.ask({ do: "idle", streams: 1000, target });
    await program.stop();
    return { kilobytes: bytesPerStream / 1024 };
  };
  const name = `${title}: idle stream, of 1,000`;
  rows.push(
    ...(await compare(
      name,
      news,
      Object.fromEntries(["ours", ...peers].map((name) => [name, idle(name)])),
      [{ name, unit: "KB", better: "lower", figure: "kilobytes", ours: "ours", peers }],
    )),
  );
  return rows;
}
