// Processes and files of containers from Node, in each version that the package is for.
// Node has a WebSocket from version 22 on.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestProvider, type TestProvider } from "../../src/testing/index.js";
import { root, until } from "./harness.js";

const nodes = join(root, "npm/test/nodes");

let akash: TestProvider;
beforeAll(async () => {
  akash = await startTestProvider({ shell: true });
});
afterAll(() => akash?.close());

/** Runs the program in a version of Node, which must also end by itself. */
async function runIn(node: string): Promise<Record<string, unknown>> {
  const { provider, lease, services, auth } = akash;
  const container = { provider, lease, service: services[0], auth: auth.jwt };
  const args = [join(nodes, "shell.mjs"), akash.bridgeUrl, JSON.stringify(container)];
  const { stdout } = await promisify(execFile)(node, args, { timeout: 30_000 });
  return JSON.parse(stdout);
}

test.each([22, 24])(
  "in Node %d a command reads its input, files are equal, and a terminal echoes",
  async (version) => {
    const got = await runIn(join(nodes, `node_modules/node-${version}/bin/node`));
    expect(got).toEqual({
      plain: "hello\n",
      counted: "160000",
      up: true,
      down: true,
      shell: {
        exit: { code: 7, message: "" },
        seen: expect.stringMatching(/30 100\r\n.*uniq\r\n/s),
      },
    });
    await until("no process", 10_000, async () => (await akash.processes()) === 0);
  },
);

const [major] = process.versions.node.split(".");

test.runIf(Number(major) < 22)("before Node 22, what needs a WebSocket says so", async () => {
  const error = {
    code: "FAILED_PRECONDITION",
    reason: "webSocketUnavailable",
    message: expect.stringContaining("Node has it from version 22 on"),
  };
  expect(await runIn(process.execPath)).toEqual({
    plain: "hello\n",
    counted: error,
    up: error,
    down: error,
    shell: error,
  });
});
