// A provider and a chain that are far from the bridge, and bridges that have never asked
// them.

import { farAway } from "./distance.mjs";
import { start } from "./program.mjs";
import { programs } from "./tools.mjs";

export class FarStage {
  #fake;
  #links = [];
  #flags = [];

  /** Starts a testserver whose answers take the given times, in milliseconds. */
  static async open({ provider, chain }) {
    const stage = new FarStage();
    // The provider's record names the port, not the address, so that a proxy at 127.0.0.1
    // can have the same port.
    const other = "127.0.0.2";
    stage.#fake = await start(
      programs.testserver,
      `--rest=${other}:0`,
      `--grpc=${other}:0`,
      "--log-lines=0",
    );
    const { rest, grpc, chainRpc } = stage.#fake.ready;
    for (const address of [rest, grpc]) {
      const port = Number(address.split(":").at(-1));
      stage.#links.push(await farAway(other, port, provider, port));
    }
    const { hostname, port } = new URL(chainRpc);
    const node = await farAway(hostname, Number(port), chain);
    stage.#links.push(node);
    stage.#flags = [
      "--listen=127.0.0.1:0",
      `--chain-rpc=http://127.0.0.1:${node.port}`,
      `--grpc-port=${grpc.split(":").at(-1)}`,
      "--allow-private-networks",
    ];
    return stage;
  }

  get provider() {
    return this.#fake.ready.provider;
  }

  /** Starts a bridge without caches. */
  startBridge() {
    return start(programs.bridge, ...this.#flags);
  }

  async close() {
    for (const link of this.#links) await link.close();
    await this.#fake.stop();
  }
}
