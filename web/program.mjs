// Starts the project's programs, each of which prints a JSON line when it is ready.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** How long a program may take to print its ready line, in milliseconds. */
const readyTimeout = 20_000;

/** How long a program may take to exit when stopped, in milliseconds. */
const stopTimeout = 7_000;

/** The running programs. They are killed when this process exits. */
const running = new Set();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * A running program.
 *
 * @typedef {object} Program
 * @property {any} ready the content of its ready line
 * @property {() => string} errors returns the last 64 KB of its stderr
 * @property {Promise<number | string | null>} ended resolves with its exit code or signal
 * @property {() => Promise<void>} stop stops it as Ctrl-C does, and kills it if it does not
 *   exit
 * @property {() => Promise<void>} terminate stops it as a process manager does, and waits
 *   for as long as it takes
 * @property {() => Promise<void>} kill kills it, as a crash would
 */

/**
 * Starts a program and waits until it is ready. If it ends before that, the error
 * contains its stderr.
 *
 * @param {string} file
 * @param {string[]} args
 * @param {{ quiet?: boolean }} [options] quiet does not copy its stderr to this program's
 * @returns {Promise<Program>}
 */
export async function start(file, args, { quiet = false } = {}) {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    errors = (errors + text).slice(-65_536);
    if (!quiet) process.stderr.write(text);
  });
  running.add(child);
  const ended = once(child, "exit")
    .finally(() => running.delete(child))
    .then(([code, signal]) => signal ?? code);
  // A child process that cannot be started emits "error" instead of "exit".
  const failed = once(child, "error").then(([error]) => {
    throw error;
  });
  failed.catch(() => {});

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGINT"); // after SIGTERM, a bridge gives its load balancer time
    const force = setTimeout(() => child.kill("SIGKILL"), stopTimeout);
    await ended;
    clearTimeout(force);
  };

  const terminate = async () => {
    child.kill("SIGTERM");
    await ended;
  };

  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };

  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${file} is not ready after ${readyTimeout} ms\n${errors}`)),
      readyTimeout,
    );
  });
  const early = ended.then((how) => {
    throw new Error(`${file} ended (${how}) before it was ready\n${errors}`);
  });
  early.catch(() => {});
  const line = once(createInterface({ input: child.stdout }), "line").then(([text]) =>
    JSON.parse(text),
  );
  try {
    const ready = await Promise.race([line, early, failed, late]);
    child.stdout.resume();
    return { ready, errors: () => errors, ended, stop, terminate, kill };
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
