#!/usr/bin/env node
// Runs the program of this platform as if it were this one: it has the same input and
// output, gets the signals, and this process ends as it does.
import { spawn } from "node:child_process";
import { programPath } from "../index.js";

const signals = ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"];

// How often to look whether npm's shell has ended, in milliseconds.
const parentInterval = 200;

try {
  const program = spawn(programPath(), process.argv.slice(2), { stdio: "inherit" });
  program.on("error", fail);
  for (const signal of signals) {
    process.on(signal, () => {
      // Windows has Ctrl-C reach both, and knows no signals: kill would be the end.
      if (process.platform !== "win32") program.kill(signal);
    });
  }
  // npm and npx run a command in a shell. They pass SIGTERM to the shell, which ends
  // without passing it on.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event !== undefined && process.platform !== "win32") {
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      program.kill("SIGTERM");
    }, parentInterval);
  }
  program.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
} catch (error) {
  fail(error);
}

function fail(error) {
  console.error(error.message);
  process.exit(1);
}
