// A page of Chromium that can be in the background. Playwright makes all of its own pages
// believe that they are in front.

import type { Browser, CDPSession } from "playwright-core";
import type { Place } from "./followed.js";

export class BackgroundPage implements Place {
  readonly #browser: CDPSession;
  readonly #target: string;
  readonly #session: string;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #last = 0;

  static async open(browser: Browser, url: string): Promise<BackgroundPage> {
    const session = await browser.newBrowserCDPSession();
    // Playwright leaves pages of other contexts alone.
    const { browserContextId } = await session.send("Target.createBrowserContext");
    const { targetId } = await session.send("Target.createTarget", { url, browserContextId });
    const attached = await session.send("Target.attachToTarget", { targetId, flatten: false });
    return new BackgroundPage(session, targetId, attached.sessionId);
  }

  private constructor(browser: CDPSession, target: string, session: string) {
    this.#browser = browser;
    this.#target = target;
    this.#session = session;
    browser.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
      if (sessionId !== session) return;
      const answer: Answer = JSON.parse(message);
      this.#answers.get(answer.id)?.(answer);
      this.#answers.delete(answer.id);
    });
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
    await this.#browser.send("Target.closeTarget", { targetId: this.#target });
    await this.#browser.detach();
  }

  async #send(method: string, params: object): Promise<NonNullable<Answer["result"]>> {
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
  result?: { result?: { value: unknown }; exceptionDetails?: object };
  error?: { message: string };
}
