import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isBuffered, wasBuffered } from "../../src/transport/probe.js";

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A bridge whose probe parts arrive with the given delays, in milliseconds. */
function answering(...apart: number[]) {
  const fetched = vi.fn(async (_url: string, init: RequestInit) => {
    expect(new Headers(init.headers).get("akash-probe")).toBe("1");
    const wait = apart[Math.min(fetched.mock.calls.length, apart.length) - 1];
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(5));
        setTimeout(() => controller.close(), wait);
      },
    });
    return new Response(body, { headers: { "akash-probe": "1000" } });
  });
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

/** Returns a finding, while time passes. */
async function found(url: string): Promise<boolean> {
  const finding = isBuffered(url);
  await vi.advanceTimersByTimeAsync(4_000);
  return finding;
}

test("a response in two parts is not buffered, which is cached for minutes", async () => {
  const fetched = answering(1_000);
  expect(await found("https://passes.example/a.B/C")).toBe(false);
  expect(await found("https://passes.example/a.B/D")).toBe(false);
  expect(fetched).toHaveBeenCalledTimes(1);
  expect(wasBuffered("https://passes.example/a.B/C", "lately")).toBe(false);
});

test("two responses that arrive all at once are buffered", async () => {
  const fetched = answering(10);
  expect(await found("https://held.example/a.B/C")).toBe(true);
  expect(fetched).toHaveBeenCalledTimes(2);
  expect(wasBuffered("https://held.example/a.B/D", "now")).toBe(true);
  await vi.advanceTimersByTimeAsync(20_000);
  // The proxy's configuration may change: another stream probes again.
  expect(wasBuffered("https://held.example/a.B/D", "now")).toBe(false);
  expect(wasBuffered("https://held.example/a.B/D", "lately")).toBe(true);
  answering(1_000);
  expect(await found("https://held.example/a.B/C")).toBe(false);
  expect(wasBuffered("https://held.example/a.B/D", "lately")).toBe(false);
});

test("a single response that arrives all at once is ignored", async () => {
  const fetched = answering(10, 1_000);
  expect(await found("https://chance.example/a.B/C")).toBe(false);
  expect(fetched).toHaveBeenCalledTimes(2);
});

test.each([
  ["a bridge that knows no probes", async () => new Response("x")],
  ["a bridge that is away", () => Promise.reject(new TypeError("fetch failed"))],
  [
    "an answer that never ends",
    async () => new Response(new ReadableStream(), { headers: { "akash-probe": "1000" } }),
  ],
] as const)("%s is not judged", async (name, fetch) => {
  vi.stubGlobal("fetch", fetch);
  const url = `https://${name.replaceAll(" ", "-")}.example/a.B/C`;
  const finding = isBuffered(url);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(await finding).toBe(false);
  expect(wasBuffered(url, "now")).toBe(false);
});
