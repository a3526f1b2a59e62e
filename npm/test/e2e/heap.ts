// The objects that are alive in a page of Chromium, or in its worker.

import type { CDPSession, Page } from "playwright-core";
import { until } from "./harness.js";

type Send = (method: string, params?: object) => Promise<Answer>;

// biome-ignore lint/suspicious/noExplicitAny: each method's answer has its own type
type Answer = Record<string, any>;

export class Heap {
  readonly #send: Send;

  private constructor(send: Send) {
    this.#send = send;
  }

  static async ofPage(page: Page): Promise<Heap> {
    const session = await page.context().newCDPSession(page);
    const send = session.send.bind(session) as unknown as Send;
    await send("Performance.enable");
    return new Heap(send);
  }

  /** The heap of the page's only worker. */
  static async ofWorker(page: Page): Promise<Heap> {
    const session = await page.context().newCDPSession(page);
    let worker = "";
    session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
      if (targetInfo.type === "worker") worker = sessionId;
    });
    await session.send("Target.setAutoAttach", {
      autoAttach: true,
      waitForDebuggerOnStart: false,
      flatten: false,
    });
    await until("the page has a worker", 10_000, async () => worker !== "");
    return new Heap(through(session, worker));
  }

  /**
   * Collects the garbage, and calls a function with all objects that have the prototype to
   * which an expression evaluates.
   */
  async over<T, U>(prototype: string, f: (objects: T[]) => U): Promise<U> {
    const objectGroup = "heap";
    // queryObjects collects, too, but takes what lies on the stack for references, where the
    // address of a dead object may stay for long.
    await this.#send("HeapProfiler.collectGarbage");
    try {
      const { result } = await this.#send("Runtime.evaluate", {
        expression: prototype,
        objectGroup,
      });
      const { objects } = await this.#send("Runtime.queryObjects", {
        prototypeObjectId: result.objectId,
        objectGroup,
      });
      const { result: answer, exceptionDetails } = await this.#send("Runtime.callFunctionOn", {
        objectId: objects.objectId,
        functionDeclaration: `function () { return (${f})(this); }`,
        returnByValue: true,
      });
      if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
      return answer.value;
    } finally {
      await this.#send("Runtime.releaseObjectGroup", { objectGroup });
    }
  }

  count(prototype: string): Promise<number> {
    return this.over(prototype, (objects) => objects.length);
  }

  /** The bytes that objects of JavaScript use, and those of the module's memory. */
  async bytes(): Promise<{ objects: number; module: number }> {
    const module = await this.over("WebAssembly.Memory.prototype", (memories) =>
      (memories as WebAssembly.Memory[]).reduce((sum, { buffer }) => sum + buffer.byteLength, 0),
    );
    await this.#send("HeapProfiler.collectGarbage");
    const { usedSize } = await this.#send("Runtime.getHeapUsage");
    return { objects: usedSize, module };
  }

  /** The number of a page's nodes, those outside of its document included. */
  async nodes(): Promise<number> {
    await this.#send("HeapProfiler.collectGarbage");
    const { metrics } = await this.#send("Performance.getMetrics");
    return metrics.find(({ name }: { name: string }) => name === "Nodes").value;
  }

  /** The number of listeners of a page's window and document. */
  async listeners(): Promise<number> {
    let count = 0;
    for (const expression of ["window", "document"]) {
      const { result } = await this.#send("Runtime.evaluate", { expression });
      const { listeners } = await this.#send("DOMDebugger.getEventListeners", {
        objectId: result.objectId,
      });
      count += listeners.length;
      await this.#send("Runtime.releaseObject", { objectId: result.objectId });
    }
    return count;
  }
}

/** Sends through a page's session to its worker, which Playwright has no session for. */
function through(session: CDPSession, worker: string): Send {
  const answers = new Map<number, (answer: Answer) => void>();
  let last = 0;
  session.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
    if (sessionId !== worker) return;
    const answer: Answer = JSON.parse(message);
    answers.get(answer.id)?.(answer);
    answers.delete(answer.id);
  });
  return async (method, params = {}) => {
    const id = ++last;
    const answered = new Promise<Answer>((resolve) => answers.set(id, resolve));
    const message = JSON.stringify({ id, method, params });
    await session.send("Target.sendMessageToTarget", { sessionId: worker, message });
    const { result, error } = await answered;
    if (!result) throw new Error(`${method}: ${error?.message}`);
    return result;
  };
}
