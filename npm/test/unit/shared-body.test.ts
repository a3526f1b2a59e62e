import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SharedBody } from "../../src/transport/shared-body.js";

const kilobytes = (n: number) => new Uint8Array(n * 1024);

/** A body of the given number of pieces, and how many of them were read. */
function body(pieces: number, end: "ends" | "breaks" | "waits" = "waits") {
  const state = { read: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        if (state.read < pieces) {
          state.read++;
          controller.enqueue(kilobytes(128));
        } else if (end === "ends") controller.close();
        else if (end === "breaks") throw new Error("cut");
        else return new Promise(() => {});
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { state, shared: new SharedBody(stream.getReader()) };
}

/** Waits for pending promises. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

/** Advances the time without reads. */
async function pass(ms: number): Promise<void> {
  await settle();
  vi.advanceTimersByTime(ms);
  await settle();
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  vi.stubGlobal("navigator", { userAgentData: {} }); // as in Chromium
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a body is read ahead of the page, within a limit", async () => {
  const { state, shared } = body(100);
  await settle();
  expect(state.read).toBe(4);
  await shared.read();
  await settle();
  expect(state.read).toBe(5);
  shared.leave("over");
});

test.each(["ends", "breaks"] as const)(
  "a body that %s does so after its last piece",
  async (end) => {
    const { shared } = body(10, end);
    await settle();
    for (let i = 0; i < 10; i++) expect((await shared.read()).value?.length).toBe(128 * 1024);
    if (end === "ends") expect((await shared.read()).done).toBe(true);
    else await expect(shared.read()).rejects.toThrow("cut");
    shared.leave("over");
  },
);

test("all unread bodies but one are moved", async () => {
  const bodies = Array.from({ length: 4 }, () => body(100));
  await pass(500);
  expect(bodies.some(({ shared }) => shared.moved)).toBe(false);
  await pass(500);
  expect(bodies.map(({ shared }) => shared.moved)).toEqual([true, true, true, false]);
  expect(bodies.map(({ state }) => state.cancelled)).toEqual([true, true, true, false]);
  expect((await bodies[0]?.shared.read())?.done).toBe(true);
  await pass(5000);
  expect(bodies[3]?.shared.moved).toBe(false);
  bodies[3]?.shared.leave("over");
});

test("where the browser buffers without limit, all unread bodies are moved", async () => {
  vi.stubGlobal("navigator", {});
  const bodies = Array.from({ length: 2 }, () => body(100));
  await pass(1000);
  expect(bodies.map(({ shared }) => shared.moved)).toEqual([true, true]);
});

test("bodies that are read, or have little data, stay", async () => {
  const fast = body(1000);
  const quiet = body(3);
  const waiting = body(0);
  const behind = body(100);
  void waiting.shared.read();
  for (let i = 0; i < 5; i++) {
    await settle();
    for (let n = 0; n < 10; n++) await fast.shared.read();
    await pass(500);
  }
  for (const { shared } of [fast, quiet, waiting, behind]) {
    expect(shared.moved).toBe(false);
    shared.leave("over");
  }
});
