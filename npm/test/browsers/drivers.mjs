// Firefox and WebKitGTK as Debian ships them, behind the part of playwright-core's
// interface that the end-to-end tests use. Playwright itself drives builds of its own only.

import { readFile } from "node:fs/promises";

// Loaded when they are used, since the tests in Chromium are run without what they import.
const drivers = {
  firefox: async () => (await import("./firefox.mjs")).Firefox,
  webkit: async () => (await import("./webkit.mjs")).WebKit,
};

/** The names of the browsers, for the environment variable BROWSER. */
export const names = Object.keys(drivers);

/** Starts a browser with a profile of its own. */
export async function launch(name) {
  const load = drivers[name];
  if (!load) throw new Error(`no browser ${name}: there are chromium, ${names.join(", ")}`);
  return new Browser(await (await load()).launch());
}

class Browser {
  #driver;
  #pages = new Set();

  constructor(driver) {
    this.#driver = driver;
  }

  version() {
    return this.#driver.version;
  }

  /** The process whose children the browser is. */
  pid() {
    return this.#driver.pid;
  }

  workerCount() {
    return this.#driver.workerCount();
  }

  /** Certificates are not checked, whether ignoreHTTPSErrors is set or not. */
  async newPage() {
    const page = new Page(this, await this.#driver.open(), () => this.#pages.delete(page));
    this.#pages.add(page);
    return unsupported(page, `a page of ${this.#driver.version}`);
  }

  /** Each page is a context of its own. */
  contexts() {
    return [...this.#pages];
  }

  async close() {
    await this.#driver.close();
  }
}

class Page {
  #browser;
  #tab;
  #closed;
  #listeners = [];

  constructor(browser, tab, closed) {
    this.#browser = browser;
    this.#tab = tab;
    this.#closed = closed;
  }

  context() {
    return { browser: () => this.#browser };
  }

  goto(url) {
    return this.#tab.goto(url);
  }

  /**
   * Calls a function in the page, or evaluates an expression there, and returns what it
   * or its promise returns. The argument is JSON, which may have BigInts, and the result is
   * JSON, or undefined.
   */
  async evaluate(what, argument) {
    const [value, given] = withBigInts(argument);
    const result = await this.#tab.evaluate(
      typeof what === "function" ? `(${what})(${given})` : what,
      value,
    );
    if (this.#listeners.length > 0) await this.#deliver();
    return result;
  }

  async waitForFunction(expression) {
    for (const deadline = performance.now() + 30_000; ; ) {
      if (await this.evaluate(`Boolean(${expression})`)) return;
      if (performance.now() > deadline) throw new Error(`not within 30 s: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  waitForTimeout(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  async addScriptTag({ path }) {
    await this.#addTag("script", path);
  }

  async addStyleTag({ path }) {
    await this.#addTag("style", path);
  }

  async #addTag(name, path) {
    await this.evaluate(
      ([name, text]) => {
        const tag = document.createElement(name);
        tag.textContent = text;
        document.head.append(tag);
      },
      [name, await readFile(path, "utf8")],
    );
  }

  /** Runs a function before the scripts of each page that is opened from now on. */
  addInitScript(run) {
    if (!this.#tab.before) throw new Error("WebKitWebDriver runs nothing before a page's scripts");
    return this.#tab.before(`(${run})()`);
  }

  /** The workers that the page has now. */
  workers() {
    if (!this.#tab.workers) throw new Error("WebKitWebDriver does not know a page's workers");
    return this.#tab.workers();
  }

  get keyboard() {
    return { type: (text) => this.#tab.type(text) };
  }

  /**
   * Listens to "console" (warnings and errors) or "pageerror". Listeners are called at the
   * end of each evaluate.
   */
  on(event, listener) {
    this.#listeners.push({ event, listener });
    return this;
  }

  async #deliver() {
    const heard = await this.#tab.evaluate(`(() => {
      if (!window.__heard) {
        window.__heard = [];
        for (const type of ["error", "warn"]) {
          const original = console[type];
          console[type] = (...args) => {
            __heard.push({ event: "console", type, text: args.map(String).join(" ") });
            original.apply(console, args);
          };
        }
        addEventListener("error", (e) => __heard.push({ event: "pageerror", text: String(e.error ?? e.message) }));
        addEventListener("unhandledrejection", (e) => __heard.push({ event: "pageerror", text: String(e.reason) }));
      }
      return __heard.splice(0);
    })()`);
    for (const { event, type, text } of heard) {
      const given = {
        type: () => (type === "warn" ? "warning" : type),
        text: () => text,
        toString: () => text,
      };
      for (const { event: wanted, listener } of this.#listeners) {
        if (wanted === event) listener(given);
      }
    }
  }

  locator(selector, { hasText = "" } = {}) {
    return new Locator(this, { selector, hasText }, undefined);
  }

  async close() {
    this.#closed();
    await this.#tab.close();
  }
}

/** Returns an argument as JSON has it, and the expression that is the argument again. */
function withBigInts(argument) {
  let has = false;
  const mark = (_, value) => {
    if (typeof value !== "bigint") return value;
    has = true;
    return { bigint: `${value}` };
  };
  const text = JSON.stringify(argument, mark);
  if (!has) return [argument, "argument"];
  const revive = "(_, v) => (typeof v?.bigint === 'string' ? BigInt(v.bigint) : v)";
  return [text, `JSON.parse(argument, ${revive})`];
}

/** The elements of a query, or the one with the index. Calls wait until it exists. */
class Locator {
  #page;
  #query;
  #index;

  constructor(page, query, index) {
    this.#page = page;
    this.#query = query;
    this.#index = index;
  }

  first() {
    return this.nth(0);
  }

  nth(index) {
    return new Locator(this.#page, this.#query, index);
  }

  async innerText() {
    await this.waitFor();
    return this.#of((element) => element.innerText);
  }

  async textContent() {
    await this.waitFor();
    return this.#of((element) => element.textContent);
  }

  async allInnerTexts() {
    return this.#page.evaluate(`${this.#found()}.map((element) => element.innerText)`);
  }

  async click() {
    await this.waitFor();
    await this.#of((element) => element.click());
  }

  async waitFor({ state = "visible" } = {}) {
    const there = `${this.#found()}.length > ${this.#index ?? 0}`;
    await this.#page.waitForFunction(state === "detached" ? `!(${there})` : there);
  }

  #of(f) {
    return this.#page.evaluate(`(${f})(${this.#found()}[${this.#index ?? 0}])`);
  }

  /** The expression for all elements. */
  #found() {
    const { selector, hasText } = this.#query;
    const all = `Array.from(document.querySelectorAll(${JSON.stringify(selector)}))`;
    if (!hasText) return all;
    return `${all}.filter((element) => element.textContent.includes(${JSON.stringify(hasText)}))`;
  }
}

/** Makes the use of everything else an error that says so. */
function unsupported(object, what) {
  return new Proxy(object, {
    get(target, name) {
      if (!(name in target) && typeof name === "string" && name !== "then") {
        throw new Error(`${what} has no ${name} in test/browsers/drivers.mjs`);
      }
      const value = target[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
