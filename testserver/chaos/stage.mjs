// The programs between a page and a log:
//
//   page ─ edge ─ HAProxy ┬ a ─ bridge a ┬ provider ─ testserver
//                         └ b ─ bridge b ┘
//
// edge, a, b and provider are links through toxiproxy. The testserver is also the
// chain, which the bridges query directly.

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { start } from "../bench/driver/program.mjs";
import { launchOptions } from "../chromium.mjs";
import { startHAProxy } from "./haproxy.mjs";
import { freePorts } from "./ports.mjs";
import { Site } from "./site.mjs";
import { Toxiproxy } from "./toxiproxy.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { chromium } = createRequire(join(root, "npm/package.json"))("playwright-core");

export const bridges = ["a", "b"];

/** The programs that can be killed. */
export const killable = [...bridges, "provider"];

/** The links that can be cut and stalled. */
export const links = ["edge", "a", "b", "provider"];

export class Stage {
  #programs = new Map();
  #recipes = new Map();
  #resources = [];

  /**
   * Starts everything. dialect is the provider's; folder must not be shared with other
   * stages.
   */
  static async open({ transport, dialect, mode, seed, rate, folder }) {
    const stage = new Stage();
    try {
      await stage.#open({ transport, dialect, mode, seed, rate, folder });
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }

  async #open({ transport, dialect, mode, seed, rate, folder }) {
    mkdirSync(folder, { recursive: true });
    // The gRPC port follows the REST port, on both sides of the link.
    const provider = await freePorts(4);
    const linked = await freePorts(2);
    this.#recipes.set("provider", () => [
      "bin/testserver",
      `--state=${join(folder, "provider")}`,
      `--rest=127.0.0.1:${provider}`,
      `--grpc=127.0.0.1:${provider + 1}`,
      `--chain=127.0.0.1:${provider + 2}`,
      `--control=127.0.0.1:${provider + 3}`,
      `--lease-rpc=${dialect === "gRPC" ? "aep37" : "none"}`,
      `--seed=${seed}`,
      "--log-lines=2500",
      `--log-rate=${rate}`,
    ]);
    await this.start("provider");
    this.ready = this.#programs.get("provider").ready;

    this.links = await Toxiproxy.start(process.env.TOXIPROXY, await freePorts());
    this.#resources.push(this.links);
    await this.links.link("rest", linked, provider);
    await this.links.link("grpc", linked + 1, provider + 1);
    this.dialect = dialect;

    const ports = {};
    for (const name of bridges) {
      const port = await freePorts();
      this.#recipes.set(name, () => [
        "bin/akash-provider-bridge",
        `--listen=127.0.0.1:${port}`,
        `--chain-rpc=${this.ready.chainRpc}`,
        `--provider=${this.ready.provider}=https://localhost:${linked}`,
        "--allow-private-networks",
      ]);
      await this.start(name);
      ports[name] = await freePorts();
      await this.links.link(name, ports[name], port);
    }
    const [plain, tls, edge] = [await freePorts(), await freePorts(), await freePorts()];
    this.#resources.push(await startHAProxy(folder, { plain, tls, bridges: ports }));
    await this.links.link("edge", edge, transport === "fetch" ? tls : plain);

    const site = await Site.open();
    this.#resources.push(site);
    const browser = await chromium.launch(launchOptions());
    this.#resources.push({ stop: () => browser.close() });
    this.page = await browser.newPage({ ignoreHTTPSErrors: true });
    this.crashed = new Promise((_, reject) => {
      this.page.on("crash", () => reject(new Error("the page crashed")));
    });
    this.crashed.catch(() => {});
    this.pageErrors = [];
    this.page.on("pageerror", (error) => this.pageErrors.push(String(error.stack ?? error)));
    await this.page.goto(`${site.url}/index.html`);
    await this.page.waitForFunction("globalThis.chaos");
    const bridgeUrl = `${transport === "fetch" ? "https" : "http"}://127.0.0.1:${edge}`;
    await this.page.evaluate((options) => chaos.open(options), {
      bridgeUrl,
      transport,
      worker: mode === "worker",
    });
  }

  /** Starts a program that is not running. */
  async start(name) {
    const [file, ...args] = this.#recipes.get(name)();
    this.#programs.set(name, await start(join(root, file), ...args));
  }

  /** Kills a program, as a crash would. */
  async kill(name) {
    const program = this.#programs.get(name);
    this.#programs.delete(name);
    await program.kill();
  }

  /** Stops a program, as an operator would. */
  async stop(name) {
    const program = this.#programs.get(name);
    this.#programs.delete(name);
    await program.stop();
  }

  /** Disconnects the page from the network, or reconnects it. */
  setOffline(offline) {
    return this.page.context().setOffline(offline);
  }

  /** The names of a link's proxies in toxiproxy. */
  proxies(link) {
    if (link !== "provider") return [link];
    return [this.dialect === "gRPC" ? "grpc" : "rest"];
  }

  /** Sends a request to the testserver's control API. */
  async control(method, path, body) {
    const response = await fetch(this.ready.control + path, { method, body });
    const text = await response.text();
    if (!response.ok) throw new Error(`control ${path}: ${text}`);
    return text;
  }

  /** Returns how many lines each replica has written. */
  async logs() {
    return JSON.parse(await this.control("GET", "/logs"));
  }

  write({ service, replica }, text) {
    return this.control("POST", `/write?service=${service}&replica=${replica}`, text);
  }

  async close() {
    for (const one of this.#resources.reverse()) await (one.stop ?? one.close).call(one);
    for (const program of this.#programs.values()) await program.stop();
  }
}
