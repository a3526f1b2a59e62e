// A page that follows a log while its source is edited, in the servers with which people
// develop: modules are replaced in the open page. The log goes on, or is read again, and
// what was replaced leaves nothing open.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestProvider, type TestProvider } from "../../src/testing/index.js";
import { launch, serviceLogs, until } from "../e2e/harness.js";
import { Heap } from "../e2e/heap.js";
import { Project, pack, type Server } from "./project.js";

let browser: Browser;
let akash: TestProvider;
let tarball: string;
let page: Page;

beforeAll(async () => {
  [browser, akash, tarball] = await Promise.all([
    launch(),
    startTestProvider({ logLines: 200 }),
    pack(),
  ]);
});
afterEach(async () => {
  await page.close();
  await until("all streams end", 10_000, async () => (await akash.open(serviceLogs)) === 0);
});
afterAll(async () => {
  await browser?.close();
  await akash?.close();
});

/** What the page shows of the logs, and what the replicas have written, by replica. */
async function shown(): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const text = (await page.locator("#logs").textContent()) ?? "";
  for (const line of text.split("\n").slice(0, -1)) {
    const colon = line.indexOf(": ");
    const replica = line.slice(0, colon);
    texts.set(replica, `${texts.get(replica) ?? ""}${line.slice(colon + 2)}\n`);
  }
  return texts;
}
async function written(): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const log of await akash.logs()) {
    texts.set(`${log.service}/${log.replica}`, await akash.log(log));
  }
  return texts;
}

/** Waits until the page shows as much as was written, and compares. */
async function complete(): Promise<void> {
  const length = (texts: Map<string, string>) =>
    [...texts.values()].reduce((sum, { length }) => sum + length, 0);
  const want = await written();
  await until("the page shows the log", 30_000, async () => length(await shown()) >= length(want));
  expect(Object.fromEntries(await shown())).toEqual(Object.fromEntries(want));
}

const streams = async () => (await akash.streams()).total[serviceLogs] ?? 0;

/** The instances of WebAssembly in the page. */
const instances = async () => (await Heap.ofPage(page)).count("WebAssembly.Instance.prototype");

let count = 1;

/**
 * Edits a file while lines are written, until the page shows the edit, and returns how many
 * streams were opened by that. The page must not be loaded again.
 */
async function edit(project: Project, file: string, what: string): Promise<number> {
  await complete();
  const [before, modules] = [await streams(), await instances()];
  await page.evaluate("globalThis.same = true");
  const [from, to] = [count++, count];
  let over = false;
  const writing = (async () => {
    for (let i = 0; !over; i++) {
      for (const log of await akash.logs()) await akash.write(log, `${to}, ${i}\n`);
    }
  })();
  try {
    project.edit(file, new RegExp(`${what} \\d+`), `${what} ${to}`);
    await page.getByText(`${what} ${to}`).waitFor();
  } finally {
    over = true;
    await writing;
  }
  expect(from).toBeLessThan(to);
  await complete();
  for (const log of await akash.logs()) await akash.write(log, "after\n");
  await complete();
  expect(await page.evaluate("globalThis.same")).toBe(true);
  expect(await instances()).toBe(modules);
  await until("one stream is open", 10_000, async () => (await akash.open(serviceLogs)) === 1);
  return (await streams()) - before;
}

describe.each([
  ["Vite", "hot-vite", ""],
  ["Next.js", "hot-next", "app/"],
])("in %s", (_, name, folder) => {
  const project = new Project(name);
  let server: Server;
  let errors: string[];

  beforeAll(async () => {
    await project.install(tarball);
    project.fill({
      "http://127.0.0.1:8080": akash.bridgeUrl,
      "akash1provider…": akash.provider,
      "akash1tenant…": akash.lease.owner,
      "1234567": `${akash.lease.dseq}`,
      "eyJ…": akash.auth.jwt.token,
    });
    server = await project.serve();
    // Next.js builds a page when it is asked for.
    expect((await fetch(server.url)).status).toBe(200);
  }, 180_000);
  afterAll(() => server?.close());

  beforeEach(async () => {
    page = await browser.newPage();
    errors = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) errors.push(message.text());
    });
  });
  afterEach(() => {
    expect(errors).toEqual([]);
  });

  test("an edited component keeps its stream", async () => {
    await page.goto(server.url);
    expect(await edit(project, `${folder}Log.jsx`, "version")).toBe(0);
    expect(await edit(project, `${folder}App.jsx`, "heading")).toBe(0);
  });

  test("a component whose hooks were edited reads the log again, and the old stream ends", async () => {
    await page.goto(server.url);
    expect(await edit(project, `${folder}Log.jsx`, "log")).toBe(1);
  });

  test.each(["page", "worker"])(
    "a client that was edited and runs in a %s leaves no stream and no second module",
    async (where) => {
      await page.goto(`${server.url}#${where}`);
      // Of a function that makes the client, React keeps what the first one has made.
      const kept = name === "hot-next";
      expect(await edit(project, `${folder}client.js`, "client")).toBe(kept ? 0 : 1);
      expect(page.workers().length).toBe(where === "worker" ? 1 : 0);
    },
  );

  test.runIf(name === "hot-vite")("a module without React ends its client itself", async () => {
    await page.goto(`${server.url}plain.html`);
    expect(await edit(project, "plain.js", "version")).toBe(1);
  });
});
