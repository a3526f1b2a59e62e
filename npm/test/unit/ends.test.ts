// Streams release all resources, however they end. STREAMS=1000 makes a longer test.

import { afterEach, expect, test, vi } from "vitest";
import type { Functions } from "../../src/engine/instance.js";
import { answer, fakeBridge, frame, logs, trailers } from "./bridge.js";
import { compile } from "./module.js";

const streams = Number(process.env.STREAMS ?? 60);

/** The observable state of a running program. */
interface Program {
  /** The number of JavaScript values that it holds, including functions. */
  values: () => number;
  functions: () => Functions;
}

const programs = vi.hoisted((): Program[] => []);

vi.mock("wasm-exec", async (original) => {
  const { makeGo } = await original<typeof import("wasm-exec")>();
  return {
    makeGo: (global: { akashProviderWeb: Functions }) => {
      const go = new (makeGo(global))() as ReturnType<typeof makeGo>["prototype"];
      const functions = () => global.akashProviderWeb;
      const values = () =>
        (go as unknown as { _values: unknown[] })._values.filter((v) => v != null).length;
      programs.push({ values, functions });
      return function Go() {
        return go;
      };
    },
  };
});

afterEach(() => void vi.unstubAllGlobals());

const request = { provider: "akash1provider", lease: { owner: "akash1owner", dseq: 1 } };

/** A signal that counts its listeners. */
class CountedSignal extends AbortController {
  listeners = 0;

  constructor() {
    super();
    const { signal } = this;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      this.listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      this.listeners--;
      removeEventListener.apply(signal, args);
    };
  }
}

test("streams release everything in the page and its module, however they end", async () => {
  const { createClient } = await import("../../src/index.js");
  const client = await createClient({ bridgeUrl: "https://bridge.example", wasmModule: compile() });
  const program = programs[0] as Program;
  const page = new CountedSignal();
  const signals: AbortSignal[] = [];

  /** Opens a stream whose provider continues, or ends, after a line. */
  const open = (goesOn: boolean, signal = page.signal) => {
    const { requests } = fakeBridge(
      answer([frame(logs("web", 0, "one\n").subarray(5)), ...(goesOn ? [] : [trailers()])], {
        open: goesOn,
      }),
    );
    const stream = client.streamLogs({ ...request, follow: goesOn, signal, onState: () => {} });
    return { stream, requests };
  };
  const ways: Record<string, () => Promise<void>> = {
    break: async () => {
      const { stream, requests } = open(true);
      for await (const _ of stream) break;
      signals.push(...requests.map(({ signal }) => signal));
    },
    abort: async () => {
      const own = new CountedSignal();
      const { stream, requests } = open(true, own.signal);
      const entries = stream[Symbol.asyncIterator]();
      await entries.next();
      const next = entries.next();
      own.abort();
      await expect(next).rejects.toMatchObject({ code: "CANCELLED" });
      signals.push(...requests.map(({ signal }) => signal));
      expect(own.listeners).toBe(0);
    },
    close: async () => {
      const { stream, requests } = open(true);
      const entries = stream[Symbol.asyncIterator]();
      await entries.next();
      await stream.close();
      signals.push(...requests.map(({ signal }) => signal));
    },
    "the provider's end": async () => {
      const { stream } = open(false);
      for await (const _ of stream);
    },
    cancel: async () => {
      const { stream, requests } = open(true);
      const entries = stream[Symbol.asyncIterator]();
      await entries.next();
      await client.cleanupConnections();
      await expect(entries.next()).rejects.toMatchObject({ code: "CANCELLED" });
      signals.push(...requests.map(({ signal }) => signal));
    },
  };

  /** Runs Go's garbage collector, which releases values, and counts the rest. */
  const collected = async () => {
    const status = frame(new Uint8Array(2 ** 20).fill(0x7a));
    for (let i = 0; i < 8; i++) {
      fakeBridge(answer([status, trailers()]));
      await client.getProviderStatus("akash1provider", { retries: 0 });
    }
    return program.values();
  };

  const figures: string[] = [];
  for (const [way, end] of Object.entries(ways)) {
    for (let i = 0; i < streams; i++) await end();
    const before = await collected();
    for (let i = 0; i < streams; i++) await end();
    const after = await collected();
    figures.push(`${way}: ${before} → ${after}`);
    expect(program.functions().pending(), `calls, streams and waits after ${way}`).toBe(0);
    expect(after, `values that Go holds after ${way}`).toBeLessThan(before + streams / 2);
  }
  expect(page.listeners).toBe(0);
  expect(signals.every(({ aborted }) => aborted)).toBe(true);
  expect(await client.cleanupConnections()).toEqual({ status: "success", closedChannels: 0 });
  console.log(
    `${2 * streams} streams ended in each way; JavaScript's values that Go holds after half and after all of them: ${figures.join(", ")}`,
  );
}, 120_000);
