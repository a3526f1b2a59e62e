import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ClientOptions } from "../../src/index.js";
import type { TestProvider } from "../../src/testing/index.js";
import { browserName, type Flavour, Stage, serviceLogs, until } from "./harness.js";
import { pieces } from "./wire.js";

/** Part of a lease's log. */
interface Source {
  service: string;
  replica: number;
}

declare global {
  /** What a page has received of the logs that it follows. */
  var state: {
    logs: Map<string, Source & { lines: number; text: string[] }>;
    lines: number;
    /** How the stream ended; "" while it is open. */
    ended: string;
  };
}

const history = 100_000;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--log-lines", String(history)] });
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

/** How a page reads lines. */
type Style = "line by line" | "in batches";

/**
 * Starts to follow the lease's logs in the page. Every line goes into its replica's
 * text, in the order in which it came, with a newline after it.
 */
function follow(page: Page, { ready }: TestProvider, style: Style): Promise<void> {
  const { provider, lease, jwt } = ready;
  return page.evaluate(
    ([provider, lease, token, style]) => {
      globalThis.state = { logs: new Map(), lines: 0, ended: "" };
      const take = (entry: Source & { message: string }) => {
        const { service, replica } = entry;
        const name = `${service} ${replica}`;
        const log = state.logs.get(name) ?? { service, replica, lines: 0, text: [] };
        state.logs.set(name, log);
        log.lines++;
        log.text.push(entry.message, "\n");
        state.lines++;
      };
      const stream = client.streamLogs({
        provider,
        lease,
        follow: true,
        auth: { type: "jwt", token },
      });
      const run = async () => {
        if (style === "in batches") {
          for await (const batch of stream.batches()) for (const entry of batch) take(entry);
        } else {
          for await (const entry of stream) take(entry);
        }
      };
      run().then(
        () => {
          state.ended = "at its end";
        },
        (error) => {
          state.ended = `${error.name}: ${error.message}`;
        },
      );
    },
    [provider, lease, jwt, style] as const,
  );
}

/** Waits until the page has received the given number of lines. */
async function seen(page: Page, want: number): Promise<void> {
  await until(`${want} lines in the page`, 30_000, async () => {
    const { lines, ended } = await page.evaluate(() => ({
      lines: state.lines,
      ended: state.ended,
    }));
    if (ended) throw new Error(`the stream ended after ${lines} lines: ${ended}`);
    return lines >= want;
  });
}

/** Returns the page's logs with the hashes of their texts. */
async function gathered(page: Page) {
  const logs = await page.evaluate(() =>
    Promise.all(
      Array.from(state.logs.values(), async ({ text, ...log }) => {
        const bytes = new TextEncoder().encode(text.join(""));
        const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        return { ...log, sha256: Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("") };
      }),
    ),
  );
  return logs.sort(byReplica);
}

const byReplica = (a: Source, b: Source) =>
  a.service.localeCompare(b.service) || a.replica - b.replica;

const sum = (logs: { lines: number }[]) => logs.reduce((lines, log) => lines + log.lines, 0);

/** Returns what the provider has written, in the form of gathered. */
async function written(fake: TestProvider) {
  return (await fake.logs()).map(({ bytes: _, ...log }) => log).sort(byReplica);
}

/** Returns the number of the provider's open log streams. */
const open = () => stage.fake.open(serviceLogs);

test("the provider's messages contain parts of lines, which the tests below rely on", async () => {
  const { provider, lease, jwt } = stage.fake.ready;
  const response = await fetch(stage.url + serviceLogs, {
    method: "POST",
    headers: {
      "content-type": "application/grpc-web+proto",
      "akash-provider": provider,
      authorization: `Bearer ${jwt}`,
    },
    body: pieces.request(lease),
  });
  const logs = pieces.read(new Uint8Array(await response.arrayBuffer()));
  expect(logs.length).toBeGreaterThan(10);
  expect(logs.some((text) => text.at(-1) !== 0x0a)).toBe(true);
  expect(logs.some((text) => text.filter((byte) => byte === 0x0a).length > 1)).toBe(true);
  expect(logs.some((text) => text.some((byte) => byte >= 0xf0))).toBe(true);
});

describe.each<[Flavour, ClientOptions]>([
  ["script", { transport: "fetch" }],
  ["module", { transport: "websocket" }],
  ["script", { transport: "websocket", worker: true }],
  ["module", { transport: "fetch", worker: true }],
])("a page that loads the client as a %s, with %j", (flavour, options) => {
  test.each<Style>(["line by line", "in batches"])(
    "gets all history and every new line, in order and byte by byte, %s",
    async (style) => {
      const before = await stage.fake.logs();
      const total = sum(before);
      expect(total).toBeGreaterThanOrEqual(history);
      expect(before.length).toBeGreaterThan(2);

      const page = await stage.page(flavour, options);
      await follow(page, stage.fake, style);
      await seen(page, total);

      // Now it follows: what is written comes, in whatever script it is written.
      const texts = ["plain\n", "e\u0301 日本語 🚀 👩‍💻 שלום \u2028 end\n", "\n", "two\nat once\n"];
      for (const log of before) {
        for (const text of texts) await stage.fake.write(log, text);
      }
      const written = before.length * (texts.join("").split("\n").length - 1);
      await seen(page, total + written);

      const want = (await stage.fake.logs()).map(({ bytes: _, ...log }) => log);
      expect((await gathered(page)).sort(byReplica)).toEqual(want.sort(byReplica));
      await page.close();
    },
  );

  test.each([
    "breaks out of its loop",
    "aborts its signal",
    "returns its iterator",
    "closes its client",
    "is closed",
  ])("%s, and the provider's stream is cancelled within a second", async (way) => {
    await until("no stream is left over", 5_000, async () => (await open()) === 0);
    const page = await stage.page(flavour, options);
    const { provider, lease, jwt } = stage.fake.ready;
    await page.evaluate(
      async ([provider, lease, token]) => {
        const abort = new AbortController();
        const stream = client.streamLogs({
          provider,
          lease,
          follow: true,
          auth: { type: "jwt", token },
          signal: abort.signal,
        });
        const iterator = stream[Symbol.asyncIterator]();
        await iterator.next();
        const rest = { [Symbol.asyncIterator]: () => iterator };
        Object.assign(globalThis, { abort, iterator, rest });
      },
      [provider, lease, jwt] as const,
    );
    expect(await open()).toBe(1);

    switch (way) {
      case "breaks out of its loop":
        await page.evaluate("(async () => { for await (const entry of rest) break })()");
        break;
      case "aborts its signal":
        await page.evaluate("abort.abort()");
        break;
      case "returns its iterator":
        await page.evaluate("iterator.return()");
        break;
      case "closes its client":
        await page.evaluate("client.cleanupConnections()");
        break;
      case "is closed":
        await page.close();
        break;
    }
    await until("the provider's stream is cancelled", 1_000, async () => (await open()) === 0);
  });
});

test("text of every script and any length is unchanged, and created without a decoder where it can be", async () => {
  const other = await Stage.open({ fake: ["--log-lines", "0"] });
  try {
    let scripts = "";
    for (let code = 0x20; code <= 0x10ffff; code += 61) {
      const character = String.fromCodePoint(code);
      if (code < 0xd800 || code > 0xdfff) scripts += character + (code % 7 === 0 ? "\n" : "");
    }
    // About as long as what is made at once, and longer.
    const lengths = [16_383, 16_384, 16_385, 70_000].flatMap((bytes) => [
      "x".repeat(bytes),
      "漢".repeat(bytes / 3),
      `${"x".repeat(bytes - 4)}😀`,
    ]);
    const write = async (text: string) => {
      for (const log of await other.fake.logs()) await other.fake.write(log, `${text}\n`);
    };
    await write(scripts);

    const page = await other.page("module", { transport: "fetch" });
    await page.evaluate(() => {
      const { decode } = TextDecoder.prototype;
      const decoded: number[] = [];
      TextDecoder.prototype.decode = function (...args) {
        const text = decode.apply(this, args);
        decoded.push(text.length);
        return text;
      };
      Object.assign(globalThis, { decoded });
    });
    await follow(page, other.fake, "in batches");
    const arrived = async () => {
      await seen(page, sum(await other.fake.logs()));
      expect(await gathered(page)).toEqual(await written(other.fake));
    };
    await arrived();
    const decoded = (await page.evaluate("decoded")) as number[];
    const texts = decoded.filter((length) => length > 1_000);
    // WebKitGTK 2.50 has no JS String Builtins.
    if (browserName === "webkit") expect(texts.length).toBeGreaterThan(0);
    else expect(texts).toEqual([]);
    for (const line of lengths) await write(line);
    await arrived();
  } finally {
    await other.close();
  }
});

test("a provider with REST only returns the same, in order and byte by byte", async () => {
  const other = await Stage.open({ fake: ["--lease-rpc", "none", "--log-lines", "20000"] });
  try {
    const logs = await other.fake.logs();
    const page = await other.page("module");
    await follow(page, other.fake, "in batches");
    await seen(page, sum(logs));
    expect(await gathered(page)).toEqual(await written(other.fake));
  } finally {
    await other.close();
  }
});
