// Starts the project's programs, which print one JSON line when they are ready.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** How long a program may take to say that it is ready, in milliseconds. */
const readyTimeout = 20_000;

/** How long a program may take to end once asked to, in milliseconds. */
const stopTimeout = 5_000;

/** The programs that run, which end with this process, at the latest. */
const running = new Set();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * A program that runs.
 *
 * @typedef {object} Program
 * @property {any} ready what its ready line says
 * @property {() => string} errors what it has written to stderr, its last 64 KB
 * @property {Promise<number | string | null>} ended settles with its exit code or signal
 * @property {() => Promise<void>} stop ends it, by force if it does not listen
 * @property {() => Promise<void>} kill ends it as a crash does
 */

/**
 * Starts a program and waits until it is ready. Where it ends before that, the
 * error holds what it wrote to stderr.
 *
 * @param {string} file
 * @param {string[]} args
 * @param {{ quiet?: boolean }} [options] quiet keeps its stderr off this one's
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
  // A child that cannot be started at all emits "error" instead of "exit".
  const failed = once(child, "error").then(([error]) => {
    throw error;
  });
  failed.catch(() => {});

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), stopTimeout);
    await ended;
    clearTimeout(force);
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
    return { ready, errors: () => errors, ended, stop, kill };
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
