// WebKitGTK by WebDriver (https://www.w3.org/TR/webdriver2/), in a virtual display, since
// its MiniBrowser has no headless mode.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import http from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descendants } from "./processes.mjs";

export class WebKit {
  #programs;
  #driver;
  #home;
  #session;
  /** The window that the session began with, which stays open. */
  #first;
  /** The window that commands apply to. */
  #current;
  /** The end of the last command: WebDriver has one at a time. */
  #queue = Promise.resolve();
  version;

  static async launch() {
    const webkit = new WebKit();
    try {
      await webkit.#start();
    } catch (error) {
      await webkit.close();
      throw error;
    }
    return webkit;
  }

  async #start() {
    this.#programs = [];
    this.#home = await mkdtemp(join(tmpdir(), "akash-webkit-"));
    // Xvfb chooses a free display and writes its number to the file descriptor.
    const screen = ["-screen", "0", "1280x800x24", "-nolisten", "tcp", "-displayfd", "1"];
    const xvfb = this.#program("Xvfb", screen, process.env);
    const display = await firstLine("Xvfb", xvfb);
    const port = await freePort();
    this.#driver = this.#program("WebKitWebDriver", ["--host=127.0.0.1", `--port=${port}`], {
      ...process.env,
      DISPLAY: `:${display}`,
      HOME: this.#home,
      XDG_RUNTIME_DIR: this.#home,
      GDK_BACKEND: "x11",
      GSETTINGS_BACKEND: "memory",
      NO_AT_BRIDGE: "1",
      GIO_USE_PROXY_RESOLVER: "dummy",
      // WebKit's sandbox needs user namespaces, which containers of CI lack as root.
      ...(process.getuid() === 0 ? { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" } : {}),
    });
    const url = `http://127.0.0.1:${port}`;
    await listening(`${url}/status`, this.#driver);
    const { sessionId, capabilities } = await send("POST", `${url}/session`, {
      capabilities: {
        alwaysMatch: {
          acceptInsecureCerts: true,
          // A script ends within a moment, unless its page has been left.
          timeouts: { script: 20_000, pageLoad: 30_000 },
          "webkitgtk:browserOptions": { binary: await miniBrowser(), args: ["--automation"] },
        },
      },
    });
    this.#session = `${url}/session/${sessionId}`;
    this.version = `WebKitGTK ${capabilities.browserVersion}`;
    this.#first = await send("GET", `${this.#session}/window`);
    this.#current = this.#first;
  }

  #program(command, args, env) {
    const program = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    program.stderr.setEncoding("utf8").on("data", (text) => {
      output = (output + text).slice(-4_000);
    });
    program.output = () => output;
    program.gone = new Promise((resolve) => {
      program.once("error", resolve);
      program.once("exit", resolve);
    });
    this.#programs.push(program);
    return program;
  }

  get pid() {
    return this.#driver.pid;
  }

  /** How many workers all pages have: WebKit names the thread of each. */
  async workerCount() {
    let count = 0;
    for (const pid of await descendants(this.pid)) {
      const folder = `/proc/${pid}/task`;
      for (const thread of await readdir(folder).catch(() => [])) {
        const name = await readFile(`${folder}/${thread}/comm`, "utf8").catch(() => "");
        if (name.trim() === "WebCore: Worker") count++;
      }
    }
    return count;
  }

  async open() {
    const { handle } = await this.command(this.#first, "POST", "window/new", { type: "window" });
    return new Tab(this, handle);
  }

  /** Sends a command to a window when those before are answered. */
  command(window, method, path, body) {
    const run = async () => {
      if (window !== this.#current) {
        await send("POST", `${this.#session}/window`, { handle: window });
        this.#current = window;
      }
      return send(method, `${this.#session}/${path}`, body);
    };
    const answer = this.#queue.then(run);
    this.#queue = answer.catch(() => {});
    return answer;
  }

  async close() {
    if (this.#session) await send("DELETE", this.#session).catch(() => {});
    for (const program of this.#programs.reverse()) {
      program.kill();
      const timer = setTimeout(() => program.kill("SIGKILL"), 5_000);
      await program.gone;
      clearTimeout(timer);
    }
    await rm(this.#home, { recursive: true, force: true });
  }
}

class Tab {
  #webkit;
  #window;
  #last = 0;
  /** The calls without a result. */
  #calls = new Map();
  #fresh = [];
  #pumping = false;

  constructor(webkit, window) {
    this.#webkit = webkit;
    this.#window = window;
  }

  async goto(url) {
    await this.#webkit.command(this.#window, "POST", "url", { url });
  }

  /**
   * Evaluates in the page. Other calls may go on meanwhile, in this tab and in others,
   * although WebDriver has one command at a time: each command starts the calls that are
   * new, waits a moment for any call to end, and returns the results.
   */
  evaluate(source, argument) {
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      this.#calls.set(id, { resolve, reject });
      this.#fresh.push({ id, source, argument });
      if (!this.#pumping) this.#pump();
    });
  }

  async #pump() {
    this.#pumping = true;
    try {
      while (this.#calls.size > 0) {
        const fresh = this.#fresh.splice(0);
        // The code is part of the script: the page's Content-Security-Policy may forbid eval.
        const start = fresh.map(
          ({ id, source }, i) =>
            `start(${id}, async (argument) => (${source}), arguments[0][${i}]);`,
        );
        const settled = await this.#webkit.command(this.#window, "POST", "execute/async", {
          script: `const done = arguments[arguments.length - 1];
            const calls = (window.__calls ??= { settled: [], wake: () => {} });
            const start = (id, run, argument) => {
              const end = (result) => { calls.settled.push({ id, ...result }); calls.wake(); };
              run(argument).then(
                (value) => end({ value }),
                (error) => end({ error: String(error) + "\\n" + (error?.stack ?? "") }),
              );
            };
            ${start.join("\n")}
            const answer = () => { calls.wake = () => {}; done(JSON.stringify(calls.settled.splice(0))); };
            if (calls.settled.length > 0) answer();
            else { calls.wake = answer; setTimeout(() => { if (calls.wake === answer) answer(); }, 20); }`,
          args: [fresh.map(({ argument }) => argument ?? null)],
        });
        for (const { id, value, error } of JSON.parse(settled)) {
          const call = this.#calls.get(id);
          this.#calls.delete(id);
          if (error === undefined) call?.resolve(value);
          else call?.reject(new Error(`in the page: ${error}`));
        }
      }
    } catch (error) {
      for (const { reject } of this.#calls.values()) reject(error);
      this.#calls.clear();
      this.#fresh = [];
    } finally {
      this.#pumping = false;
    }
  }

  async type(text) {
    const actions = Array.from(text.replaceAll("\n", enter), (value) => [
      { type: "keyDown", value },
      { type: "keyUp", value },
    ]).flat();
    await this.#webkit.command(this.#window, "POST", "actions", {
      actions: [{ type: "key", id: "keyboard", actions }],
    });
  }

  async close() {
    await this.#webkit.command(this.#window, "DELETE", "window");
  }
}

/** The key Enter in actions. */
const enter = "\uE007";

/** Sends a command of WebDriver, and returns its value. */
async function send(method, url, body) {
  const text = await new Promise((resolve, reject) => {
    const request = http.request(url, { method }, (response) => {
      response.setEncoding("utf8");
      response.toArray().then((chunks) => resolve(chunks.join("")), reject);
    });
    request.on("error", reject);
    request.end(method === "POST" ? JSON.stringify(body ?? {}) : undefined);
  });
  const { value } = JSON.parse(text);
  if (value?.error) throw new Error(`${value.error}: ${value.message}`);
  return value;
}

async function listening(url, program) {
  for (const deadline = performance.now() + 20_000; ; ) {
    try {
      await send("GET", url);
      return;
    } catch (error) {
      if (program.exitCode !== null || performance.now() > deadline) {
        throw new Error(`WebKitWebDriver does not start: ${error.message}\n${program.output()}`);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function firstLine(name, program) {
  program.stdout.setEncoding("utf8");
  const line = once(program.stdout, "data").then(([text]) => text.trim());
  return Promise.race([
    line,
    program.gone.then(() => {
      throw new Error(`${name} does not start: ${program.output()}`);
    }),
  ]);
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Where Debian has MiniBrowser, which depends on the processor and WebKit's version. */
async function miniBrowser() {
  if (process.env.MINIBROWSER) return process.env.MINIBROWSER;
  const found = [];
  for (const folder of await readdir("/usr/lib")) {
    const inside = await readdir(join("/usr/lib", folder)).catch(() => []);
    for (const name of inside.filter((name) => name.startsWith("webkit2gtk-"))) {
      const entries = await readdir(join("/usr/lib", folder, name)).catch(() => []);
      if (entries.includes("MiniBrowser"))
        found.push(join("/usr/lib", folder, name, "MiniBrowser"));
    }
  }
  if (found.length === 0) throw new Error("no MiniBrowser in /usr/lib: set MINIBROWSER");
  return found.sort().at(-1);
}
