// Chromium, and what its main threads cost.

import { readdirSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { launchOptions } from "../../chromium.mjs";

/** Starts Debian's Chromium so that it talks to nobody but the measurements. */
export function launch() {
  return chromium.launch(launchOptions());
}

/** CPU time of one thread, or of all threads, of a process in milliseconds. */
function cpuTime(pid, tasks = [pid]) {
  let sum = 0;
  for (const task of tasks) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    } catch (error) {
      if (error.code !== "ENOENT" && error.code !== "ESRCH") throw error; // it ended
    }
  }
  return sum / 1e6;
}

/**
 * The renderer of a page. What its main thread costs, the kernel counts to the
 * nanosecond, and it is the same whether the thread ran without a pause or had to
 * wait for others: Chromium's own counters leave out what happens between tasks, and
 * a clock on the wall counts other programs too.
 */
export class Renderer {
  #page;
  #session;

  constructor(pid, page, session) {
    this.pid = pid;
    this.#page = page;
    this.#session = session;
  }

  /** Finds the renderer of a page: the one that is busy when the page is. */
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
    throw new Error("the renderer of the page cannot be told from others");
  }

  /**
   * The CPU time that something takes in milliseconds: of the main thread, and of
   * the whole process, which adds compilers, collectors and workers.
   */
  async measure(run) {
    await this.#session.send("HeapProfiler.collectGarbage");
    const all = () => cpuTime(this.pid, readdirSync(`/proc/${this.pid}/task`));
    const before = [cpuTime(this.pid), all()];
    const result = await run();
    return { ...result, main: cpuTime(this.pid) - before[0], all: all() - before[1] };
  }

  /**
   * The CPU time of the longest task of the main thread meanwhile, the microtasks
   * after it included, in milliseconds.
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
    // The thread's clock is read late now and then: no task takes more CPU time than time.
    return Math.max(...tasks.map(({ dur = 0, tdur = 0 }) => Math.min(dur, tdur))) / 1000;
  }
}
