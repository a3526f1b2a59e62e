// Makes the tests create their clients in workers.
import { vi } from "vitest";
import type { ClientOptions } from "../../src/index.js";
import { FakeWorker } from "./fake-worker.js";

Object.assign(globalThis, { Worker: FakeWorker });

vi.mock("../../src/index.js", async (original) => {
  const index = await original<typeof import("../../src/index.js")>();
  const createClient = (options?: ClientOptions) =>
    index.createClient({ ...options, worker: true });
  return { ...index, createClient };
});
