// Starts programs and communicates with them.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** How long a program may take to become ready or to answer, in milliseconds. */
const timeout = 60_000;

const logs = mkdtempSync(join(tmpdir(), "bench-"));
const running = new Set();
let started = 0;

process.on("exit", () => {
  for (const program of running) program.child.kill("SIGKILL");
  rmSync(logs, { recursive: true, force: true });
});

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

/**
 * A running program. Its stderr goes to a file, so that reading it takes no CPU time
 * during measurements.
 */
class Program {
  /** silent says that its output is a log, too. */
  constructor(file, args, silent = false) {
    this.name = basename(file);
    this.log = join(logs, `${++started}.${this.name}`);
    const log = openSync(this.log, "w");
    this.child = spawn(file, args, { stdio: ["pipe", silent ? log : "pipe", log] });
    closeSync(log);
    this.pid = this.child.pid;
    this.ended = once(this.child, "exit").then(([code, signal]) => signal ?? code);
    this.ended.catch(() => {});
    this.child.stdin.on("error", () => {});
    if (!silent) {
      this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    }
    running.add(this);
  }

  /** Returns the next line of its output, which is JSON and comes within some milliseconds. */
  async next(ms = timeout) {
    const { value, done } = await within(ms, this.lines.next(), () => this.describe("is late"));
    if (done) throw new Error(this.describe(`ended (${await this.ended})`));
    return JSON.parse(value);
  }

  /** Sends a command and returns the answer, which comes within some milliseconds. */
  async ask(command, ms = timeout) {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
    const answer = await this.next(ms);
    if (answer.error) throw new Error(`${command.do}: ${answer.error}`);
    return answer;
  }

  describe(what) {
    return `${this.name} ${what}\n${readFileSync(this.log, "utf8").slice(-2000)}`;
  }

  /** Kills it, as a crash would. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
    running.delete(this);
  }

  async stop() {
    this.child.kill("SIGTERM");
    const force = setTimeout(() => this.child.kill("SIGKILL"), 2000);
    await this.ended;
    clearTimeout(force);
    running.delete(this);
  }
}

async function within(ms, promise, explain) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(explain())), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a program that prints a JSON line when it is ready. */
export async function start(file, ...args) {
  const program = new Program(file, args);
  program.ready = await program.next();
  return program;
}

/** Starts a program without a ready line, and waits until its port is open. */
export async function startAt(port, file, ...args) {
  const program = new Program(file, args, true);
  for (const deadline = Date.now() + timeout; ; await sleep(20)) {
    const socket = connect(port, "127.0.0.1");
    const open = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return program;
    if (program.child.exitCode !== null) throw new Error(program.describe("ended"));
    if (Date.now() > deadline) throw new Error(program.describe("does not listen"));
  }
}

/** Returns a free port, for programs that cannot choose one themselves. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
