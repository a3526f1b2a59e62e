// Firefox by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/), which it speaks itself.

import puppeteer from "puppeteer-core";

const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

export class Firefox {
  #browser;
  version;

  static async launch() {
    const browser = await puppeteer.launch({
      browser: "firefox",
      executablePath,
      headless: true,
      acceptInsecureCerts: true,
      timeout: 60_000,
      protocolTimeout: 600_000,
      extraPrefsFirefox: {
        // It talks to nobody but the test.
        "app.update.enabled": false,
        "browser.safebrowsing.malware.enabled": false,
        "browser.safebrowsing.phishing.enabled": false,
        "network.captive-portal-service.enabled": false,
        "network.connectivity-service.enabled": false,
        "network.prefetch-next": false,
        "services.settings.server": "http://127.0.0.1:1",
        // Pages and workers get TestUtils.gc().
        "dom.testing.testutils.enabled": true,
      },
    });
    const [, version] = (await browser.version()).split(/[/ ]/);
    return new Firefox(browser, `Firefox ${version}`);
  }

  constructor(browser, version) {
    this.#browser = browser;
    this.version = version;
  }

  get pid() {
    return this.#browser.process().pid;
  }

  async open() {
    const context = await this.#browser.createBrowserContext();
    return new Tab(await context.newPage(), context);
  }

  close() {
    return this.#browser.close();
  }
}

class Tab {
  #page;
  #context;

  constructor(page, context) {
    this.#page = page;
    this.#context = context;
  }

  async goto(url) {
    await this.#page.goto(url, { waitUntil: "load", timeout: 30_000 });
  }

  evaluate(source, argument) {
    // A string, so that puppeteer does not turn a function into one that evaluates code,
    // which a page's Content-Security-Policy may forbid.
    const json = argument === undefined ? "undefined" : JSON.stringify(argument);
    return this.#page.evaluate(`(async (argument) => (${source}))(${json})`);
  }

  async before(source) {
    await this.#page.evaluateOnNewDocument(source);
  }

  workers() {
    return this.#page.workers();
  }

  async type(text) {
    await this.#page.keyboard.type(text);
  }

  async close() {
    await this.#page.close();
    await this.#context.close();
  }
}
