// Chromium, and the CPU time of its threads.

import { readdirSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { launchOptions } from "../../chromium.mjs";

/** Starts Debian's Chromium without background network traffic. */
export function launch() {
  return chromium.launch(launchOptions());
}

/** Returns the CPU time of a thread, or of all threads of a process, in milliseconds. */
function cpuTime(pid, tasks = [pid]) {
  let sum = 0;
  for (const task of tasks) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    } catch (error) {
      if (error.code !== "ENOENT" && error.code !== "ESRCH") throw error; // the thread has ended
    }
  }
  return sum / 1e6;
}

/**
 * The renderer process of a page. The kernel counts the CPU time of its main thread to
 * the nanosecond, and whether the thread had to wait for other programs does not
 * matter. Chromium's own counters omit time between tasks, and wall clock time
 * includes other programs.
 */
export class Renderer {
  #page;
  #session;

  constructor(pid, page, session) {
    this.pid = pid;
    this.#page = page;
    this.#session = session;
  }

  /** Finds a page's renderer: the process that is busy when the page is. */
  static async of(page) {
    const browser = await page.context().browser().newBrowserCDPSession();
    for (let attempt = 0; attempt < 20; attempt++) {
      const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
      const used = processInfo
        .filter(({ type }) => type === "renderer")
        .map(({ id }) => ({ pid: id, ms: -cpuTime(id) }));
      await page.evaluate(() => bench.spin(200));
      for (const renderer of used) renderer.ms += cpuTime(renderer.pid);
      used.sort((a, b) => b.ms - a.ms);
      if (used[0].ms > 50 && used[0].ms > 5 * (used[1]?.ms ?? 0)) {
        await browser.detach();
        return new Renderer(used[0].pid, page, await page.context().newCDPSession(page));
      }
    }
    throw new Error("cannot identify the renderer of the page");
  }

  /**
   * Returns the CPU time that an operation takes, in milliseconds: of the main
   * thread, and of the whole process, including compiler, garbage collector and
   * worker threads.
   */
  async measure(run) {
    await this.#session.send("HeapProfiler.collectGarbage");
    const all = () => cpuTime(this.pid, readdirSync(`/proc/${this.pid}/task`));
    const before = [cpuTime(this.pid), all()];
    const result = await run();
    return { ...result, main: cpuTime(this.pid) - before[0], all: all() - before[1] };
  }

  /**
   * Returns the CPU time of the main thread's longest task during an operation,
   * including the microtasks after it, in milliseconds.
   */
  async longestTask(run) {
    await this.#session.send("HeapProfiler.collectGarbage");
    const browser = this.#page.context().browser();
    await browser.startTracing(this.#page, {
      categories: ["disabled-by-default-devtools.timeline"],
    });
    const failed = await run().then(
      () => undefined,
      (error) => error,
    );
    const trace = JSON.parse((await browser.stopTracing()).toString());
    if (failed) throw failed;
    const tasks = trace.traceEvents.filter(
      ({ pid, tid, name }) => pid === this.pid && tid === pid && name === "RunTask",
    );
    // Chromium sometimes reads the thread's clock late. A task cannot take more
    // CPU time than time.
    return Math.max(...tasks.map(({ dur = 0, tdur = 0 }) => Math.min(dur, tdur))) / 1000;
  }
}
