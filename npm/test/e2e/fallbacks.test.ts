// What the package does without parts of the platform. WebKitGTK lacks all of these; in
// the others the test takes away those that can be.

import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { follow, gathered, progress, seen, total, write, written } from "./followed.js";
import { browserName, Stage } from "./harness.js";

declare global {
  /** What was asked for and refused. */
  var refused: Set<string>;
}

const lacksThem = browserName === "webkit";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--log-lines", "500", "--shell"] });
});
afterAll(() => stage?.close());

/** Takes parts of the platform away, before the page's scripts run. */
function takeAway(): void {
  globalThis.refused = new Set();
  WebAssembly.Module = new Proxy(WebAssembly.Module, {
    construct(Module, [bytes, options]) {
      if (options?.builtins) refused.add("JS String Builtins");
      return new Module(bytes);
    },
  });
  const { getReader } = ReadableStream.prototype;
  Object.assign(ReadableStream.prototype, {
    getReader(this: ReadableStream, options?: { mode?: string }) {
      if (options?.mode === "byob") {
        refused.add("BYOB readers");
        throw new TypeError("there are no BYOB readers");
      }
      return getReader.call(this);
    },
  });
  const streams = ReadableStream.prototype as Partial<ReadableStream>;
  delete streams[Symbol.asyncIterator];
  delete streams.values;
}

/** Opens a page without them. */
async function open(): Promise<Page> {
  const page = await stage.browser.newPage();
  if (!lacksThem) await page.addInitScript(takeAway);
  await page.goto(stage.address("module", { transport: "fetch" }));
  await page.waitForFunction("globalThis.ready");
  await page.evaluate("ready");
  return page;
}

test("a log and a shell are the same without them", async () => {
  const page = await open();
  const { fake } = stage;
  await follow(page, fake);
  await seen(page, total(await fake.logs()));
  await write(fake);
  await seen(page, total(await fake.logs()));
  expect(await gathered(page)).toEqual(await written(fake));
  expect(await progress(page)).toMatchObject({ gaps: 0, ended: "" });

  const { provider, lease, auth } = fake;
  const text = await page.evaluate(
    async (options) => {
      const shell = client.shell({ ...options, tty: false, stdin: false });
      const decoder = new TextDecoder();
      let text = "";
      // Only the package makes it iterable.
      for await (const bytes of shell.stdout as unknown as AsyncIterable<Uint8Array>) {
        text += decoder.decode(bytes, { stream: true });
      }
      return text;
    },
    { provider, lease, auth: auth.jwt, service: "web", command: ["echo", "grüße 🚀"] },
  );
  expect(text).toBe("grüße 🚀\n");

  const lacks = await page.evaluate(() => ({
    iterable: Symbol.asyncIterator in ReadableStream.prototype,
    dispose: "asyncDispose" in Symbol,
    refused: [...(globalThis.refused ?? [])].sort(),
  }));
  expect(lacks).toEqual({
    iterable: false,
    dispose: !lacksThem, // it cannot be taken away
    refused: lacksThem ? [] : ["BYOB readers", "JS String Builtins"],
  });
  await page.close();
});
