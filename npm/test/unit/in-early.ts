// Makes the tests make their calls before the module runs: each client has a module of its
// own, which starts some turns after the client's first call.
import { vi } from "vitest";
import { EarlyCall } from "../../src/engine/early.js";
import { Instance } from "../../src/engine/instance.js";
import type { ClientOptions } from "../../src/index.js";
import { compile } from "./module.js";

let onCall = () => {};
let called = Promise.resolve();

const send = EarlyCall.send;
EarlyCall.send = (...args) => {
  onCall();
  return send(...args);
};

const start = Instance.start;
Instance.start = async (module) => {
  await called;
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return start.call(Instance, module);
};

vi.mock("../../src/index.js", async (original) => {
  const index = await original<typeof import("../../src/index.js")>();
  const createClient = (options?: ClientOptions) => {
    called = new Promise((resolve) => {
      onCall = resolve;
    });
    return index.createClient({ ...options, wasmModule: compile() });
  };
  return { ...index, createClient };
});
