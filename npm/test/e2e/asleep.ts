// A machine that sleeps, as far as a browser can tell: nothing runs, and then all timers are
// late.

import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import type { OtherBrowser } from "../browsers/drivers.mjs";
import { descendants } from "../browsers/processes.mjs";
import { isChromium } from "./harness.js";

/** Stops all processes of the browser for a time, and calls a function meanwhile. */
export async function asleep(
  browser: Browser,
  ms: number,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const stopped = await processes(browser);
  for (const pid of stopped) signal(pid, "SIGSTOP");
  try {
    const over = new Promise((resolve) => setTimeout(resolve, ms));
    await Promise.all([over, meanwhile()]);
  } finally {
    for (const pid of stopped) signal(pid, "SIGCONT");
  }
}

/** Sends a signal to a process, which may have ended: a page that is left has its own. */
function signal(pid: number, name: "SIGSTOP" | "SIGCONT"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The processes of the browser: not its driver, which the test waits for. */
async function processes(browser: Browser): Promise<number[]> {
  if (!isChromium) {
    const pid = (browser as Browser & OtherBrowser).pid();
    const own = (await nameOf(pid)).includes("firefox") ? [pid] : [];
    return [...own, ...(await descendants(pid))];
  }
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const main = processInfo.find(({ type }) => type === "browser");
  if (!main) throw new Error("no process of Chromium");
  return [main.id, ...(await descendants(main.id))];
}

async function nameOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/comm`, "utf8");
}
