import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { root } from "../e2e/harness.js";

const run = promisify(execFile);

/** Where projects are installed, so that the next run finds their bundlers there. */
const cache = join(root, ".tools/bundlers");

const sources = new Set([".html", ".js", ".jsx"]);

/** Packs the package, as it would be published, and returns the tarball. */
export async function pack(): Promise<string> {
  mkdirSync(cache, { recursive: true });
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", cache], {
    cwd: join(root, "npm"),
  });
  return join(cache, JSON.parse(stdout)[0].filename);
}

/** A running server. */
export interface Server {
  url: string;
  close(): Promise<void>;
}

/** A user's project: what lies in the directory of its name, over what all share. */
export class Project {
  readonly name: string;
  readonly dir: string;
  readonly scripts: Record<string, string>;
  readonly #from: string;

  constructor(name: string) {
    this.name = name;
    this.dir = join(cache, name);
    this.#from = join(import.meta.dirname, name);
    const { scripts } = JSON.parse(readFileSync(join(this.#from, "package.json"), "utf8"));
    this.scripts = scripts ?? {};
  }

  /**
   * Installs what the project's lock file names, unless an earlier run has, and then
   * the package, offline: it depends on nothing.
   */
  async install(tarball: string): Promise<void> {
    const modules = join(this.dir, "node_modules");
    const stamp = join(modules, ".installed");
    const lock = this.source("package-lock.json") ?? "";
    const hash = createHash("sha256").update(lock).digest("hex");
    const installed = existsSync(stamp) && readFileSync(stamp, "utf8") === hash;

    mkdirSync(this.dir, { recursive: true });
    for (const name of readdirSync(this.dir)) {
      if (installed && name === "node_modules") continue;
      rmSync(join(this.dir, name), { recursive: true });
    }
    cpSync(join(import.meta.dirname, "shared"), this.dir, { recursive: true });
    cpSync(this.#from, this.dir, { recursive: true });
    const quietly = ["--no-audit", "--no-fund", "--loglevel=error"];
    if (!installed) {
      if (lock) await this.#run("npm", "ci", ...quietly);
      mkdirSync(modules, { recursive: true });
      writeFileSync(stamp, hash);
    }
    rmSync(join(modules, "akash-provider-web"), { recursive: true, force: true });
    await this.#run("npm", "install", "--offline", "--no-save", ...quietly, tarball);
  }

  /** Puts what a user knows where the sources say akash1provider… and the like. */
  fill(values: Record<string, string>): void {
    const entries = readdirSync(this.dir, { recursive: true, encoding: "utf8" });
    for (const name of entries) {
      if (!sources.has(extname(name)) || name.startsWith("node_modules")) continue;
      const path = join(this.dir, name);
      let text = readFileSync(path, "utf8");
      for (const [from, to] of Object.entries(values)) text = text.replaceAll(from, to);
      writeFileSync(path, text);
    }
  }

  /** Builds the project for production and returns the directory to serve. */
  async build(): Promise<string> {
    if (!this.scripts.build) return this.dir;
    await this.#run("npm", "run", "build");
    return join(this.dir, "dist");
  }

  /** Starts the project's own server. */
  async serve(): Promise<Server> {
    const server = spawn("npm", ["start", "--", "--port", "0"], {
      cwd: this.dir,
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NO_COLOR: "1", FORCE_COLOR: "0" },
    });
    const close = async () => {
      const ended = once(server, "exit");
      process.kill(-(server.pid as number)); // npm, and what it started
      await ended;
    };
    let output = "";
    const lines = createInterface({ input: server.stdout });
    for await (const line of lines) {
      const [url] = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(line) ?? [];
      output += `${line}\n`;
      if (!url) continue;
      server.stdout.resume(); // what follows is of no interest, but must not fill the pipe
      return { url: `${url}/`, close };
    }
    throw new Error(`${this.name}: the server does not say where it is:\n${output}`);
  }

  /** Where the bundler writes what browsers load. */
  get output(): string {
    const dist = join(this.dir, "dist");
    return existsSync(dist) ? dist : join(this.dir, ".next/static");
  }

  /** Reads a file of the project as its author wrote it. */
  source(name: string): string | undefined {
    const own = [join(this.#from, name), join(import.meta.dirname, "shared", name)];
    const path = own.find((path) => existsSync(path));
    return path && readFileSync(path, "utf8");
  }

  /** Edits a file, in which the text must be. */
  edit(name: string, from: string | RegExp, to: string): void {
    const path = join(this.dir, name);
    const text = readFileSync(path, "utf8");
    const edited = text.replace(from, to);
    if (edited === text) throw new Error(`${this.name}: ${name} has no ${from}`);
    writeFileSync(path, edited);
  }

  /** Returns the version of an installed package. */
  version(name: string): string {
    const path = join(this.dir, "node_modules", name, "package.json");
    return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).version : "";
  }

  async #run(file: string, ...args: string[]): Promise<void> {
    try {
      await run(file, args, {
        cwd: this.dir,
        env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1" },
      });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${this.name}: ${file} ${args.join(" ")}\n${stdout}${stderr}`);
    }
  }
}
