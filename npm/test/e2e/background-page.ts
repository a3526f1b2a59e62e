// A page of Chromium that can be in the background. Playwright makes all of its own pages
// believe that they are in front.

import type { Browser, CDPSession } from "playwright-core";
import type { Place } from "./followed.js";

export class BackgroundPage implements Place {
  readonly #browser: CDPSession;
  readonly #context: string;
  readonly #target: string;
  readonly #session: string;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #last = 0;
  /** The tab in front of it, once there was one. */
  #cover: string | undefined;

  static async open(browser: Browser, url: string): Promise<BackgroundPage> {
    const session = await browser.newBrowserCDPSession();
    // Playwright leaves pages of other contexts alone.
    const { browserContextId } = await session.send("Target.createBrowserContext");
    const { targetId } = await session.send("Target.createTarget", { url, browserContextId });
    const attached = await session.send("Target.attachToTarget", { targetId, flatten: false });
    return new BackgroundPage(session, browserContextId, targetId, attached.sessionId);
  }

  private constructor(browser: CDPSession, context: string, target: string, session: string) {
    this.#browser = browser;
    this.#context = context;
    this.#target = target;
    this.#session = session;
    browser.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
      if (sessionId !== session) return;
      const answer: Answer = JSON.parse(message);
      this.#answers.get(answer.id)?.(answer);
      this.#answers.delete(answer.id);
    });
  }

  /** Puts another tab in front. */
  async hide(): Promise<void> {
    this.#cover ??= (
      await this.#browser.send("Target.createTarget", {
        url: "about:blank",
        browserContextId: this.#context,
      })
    ).targetId;
    await this.#browser.send("Target.activateTarget", { targetId: this.#cover });
  }

  /** Puts it in front. */
  async show(): Promise<void> {
    await this.#browser.send("Target.activateTarget", { targetId: this.#target });
  }

  /** The memory that its objects and their buffers use, without garbage, in bytes. */
  async memory(): Promise<number> {
    await this.#send("HeapProfiler.collectGarbage");
    const usage = await this.#send("Runtime.getHeapUsage");
    return (usage.usedSize ?? 0) + (usage.backingStorageSize ?? 0);
  }

  /** Hides the page and stops it: no script runs, and no timer. */
  async freeze(): Promise<void> {
    await this.#send("Page.setWebLifecycleState", { state: "frozen" });
  }

  /** Lets it run again. It stays hidden, so that its timers are slow. */
  async thaw(): Promise<void> {
    await this.#send("Page.setWebLifecycleState", { state: "active" });
  }

  evaluate = async (what: unknown, argument?: unknown) => {
    const json = argument === undefined ? "undefined" : JSON.stringify(argument);
    const expression = typeof what === "function" ? `(${what})(${json})` : String(what);
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    // biome-ignore lint/suspicious/noExplicitAny: the type of Page.evaluate follows from the function
    return result?.value as any;
  };

  async close(): Promise<void> {
    await this.#browser.send("Target.disposeBrowserContext", { browserContextId: this.#context });
    await this.#browser.detach();
  }

  async #send(method: string, params: object = {}): Promise<NonNullable<Answer["result"]>> {
    const id = ++this.#last;
    const answered = new Promise<Answer>((resolve) => this.#answers.set(id, resolve));
    await this.#browser.send("Target.sendMessageToTarget", {
      sessionId: this.#session,
      message: JSON.stringify({ id, method, params }),
    });
    const { result, error } = await answered;
    if (!result) throw new Error(`${method}: ${error?.message}`);
    return result;
  }
}

interface Answer {
  id: number;
  result?: {
    result?: { value: unknown };
    exceptionDetails?: object;
    usedSize?: number;
    backingStorageSize?: number;
  };
  error?: { message: string };
}
