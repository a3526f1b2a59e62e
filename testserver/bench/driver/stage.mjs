// A provider, a bridge in front of it, and the settings for a page.

import { start } from "./program.mjs";
import { programs } from "./tools.mjs";

export class Stage {
  /** Starts a testserver with flags, and a bridge. */
  static async open(...flags) {
    const stage = new Stage();
    stage.fake = await start(programs.testserver, ...flags);
    stage.bridge = await start(
      programs.bridge,
      "--listen=127.0.0.1:0",
      `--chain-rpc=${stage.fake.ready.chainRpc}`,
      "--allow-private-networks",
    );
    return stage;
  }

  /** Returns the settings for a page; see page/source.ts. */
  source(files) {
    const { provider, lease, jwt } = this.fake.ready;
    const { owner, dseq, gseq, oseq } = lease;
    const bridgeUrl = this.bridge.ready.url;
    return { bridgeUrl, ...files, provider, jwt, lease: { owner, dseq, gseq, oseq } };
  }

  /** Sends a request to the testserver's control API. */
  async control(path, init) {
    const response = await fetch(this.fake.ready.control + path, init);
    if (!response.ok) throw new Error(`control ${path}: ${await response.text()}`);
    return response;
  }

  async close() {
    await this.bridge.stop();
    await this.fake.stop();
  }
}
