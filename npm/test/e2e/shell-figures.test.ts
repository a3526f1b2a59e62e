// What shells and files cost, beside the provider's own WebSocket. It runs where it is
// asked for: FIGURES=1 npx vitest run --config test/e2e/vitest.config.ts shell-figures
// `make test-files` runs the part with the files.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client, Shell } from "../../src/index.js";
import { root, Stage } from "./harness.js";

declare const client: Client;

const asked = Boolean(process.env.FIGURES);
const size = 100 * 1024 * 1024;
let stage: Stage;
let theirs: ReturnType<typeof raw>;

beforeAll(async () => {
  if (asked) stage = await Stage.open({ fake: ["--shell"] });
});
afterAll(() => stage?.close());

const container = () => {
  const { provider, lease, jwt } = stage.fake.ready;
  return { provider, lease, service: "web", auth: { type: "jwt", token: jwt } as const };
};

/** Measures the provider's own WebSocket, past the bridge. */
function raw(): Record<"downSeconds" | "upSeconds" | "echoP50Ms" | "echoP99Ms", number> {
  const { rest, lease, jwt } = stage.fake.ready;
  const url = `wss://${rest}/lease/${lease.dseq}/1/1`;
  const args = ["run", "./rawshell", "-url", url, "-token", jwt];
  args.push("-file", "big", "-size", `${size}`);
  return JSON.parse(
    execFileSync("go", args, { cwd: join(root, "testserver/bench"), encoding: "utf8" }),
  );
}

const percentile = (times: number[], p: number) =>
  times.sort((a, b) => a - b)[Math.floor(times.length * p)]?.toFixed(2);

test.skipIf(!asked)(
  "a thousand commands, each with what it wrote",
  { timeout: 600_000 },
  async () => {
    const page = await stage.page("module");
    for (const parallel of [1, 4]) {
      const result = await page.evaluate(
        async ([container, parallel]) => {
          const start = performance.now();
          let next = 0;
          let wrong = 0;
          const work = async () => {
            for (let i = next++; i < 1000; i = next++) {
              const { response } = await client.exec({ ...container, command: ["echo", `${i}`] });
              if (response?.stdout !== `${i}\n`) wrong++;
            }
          };
          await Promise.all(Array.from({ length: parallel }, work));
          return { wrong, took: performance.now() - start };
        },
        [container(), parallel] as const,
      );
      expect(result.wrong).toBe(0);
      console.log(
        `1,000 commands, ${parallel} at a time: ${(result.took / 1000).toFixed(1)} s, none lost`,
      );
    }
  },
);

test.skipIf(!asked)("100 MiB up and down", { timeout: 600_000 }, async () => {
  const page = await stage.page("module");
  const times = await page.evaluate(
    async ([container, size]) => {
      const block = crypto.getRandomValues(new Uint8Array(65_536));
      const data = new Blob(Array.from({ length: size / block.length }, () => block));
      let start = performance.now();
      const up = await client.uploadFile({ ...container, path: "big", data });
      const upTook = performance.now() - start;
      start = performance.now();
      const down = await client.downloadFile({ ...container, path: "big" });
      let got = 0;
      await down.response?.stream.pipeTo(
        new WritableStream({
          write(piece) {
            got += piece.length;
          },
        }),
      );
      const downTook = performance.now() - start;
      const done = await down.response?.done;
      return { up: upTook, down: downTook, got, equal: up.response?.sha256 === done?.sha256 };
    },
    [container(), size] as const,
  );
  expect(times).toMatchObject({ got: size, equal: true });

  theirs = raw();
  console.log(
    `100 MiB up ${(times.up / 1000).toFixed(2)} s (raw ${theirs.upSeconds.toFixed(2)} s), down ${(times.down / 1000).toFixed(2)} s (raw cat ${theirs.downSeconds.toFixed(2)} s), SHA-256 equal`,
  );
});

test.skipIf(!asked)("from a key to its echo", async () => {
  const keys = 500;
  const page = await stage.page("module");
  const ours = await page.evaluate(
    async ([container, keys]) => {
      const shell: Shell = client.shell({ ...container, command: ["cat"] });
      const writer = shell.stdin.getWriter();
      const reader = shell.stdout.getReader();
      const times: number[] = [];
      for (let i = 0; i < keys; i++) {
        const start = performance.now();
        await writer.write("x");
        await reader.read();
        times.push(performance.now() - start);
        if (i % 50 === 49) {
          await writer.write("\u0015"); // clears the line
          await reader.read();
        }
      }
      shell.close();
      return times;
    },
    [container(), keys] as const,
  );
  console.log(
    `key to echo: p50 ${percentile(ours, 0.5)} ms, p99 ${percentile(ours, 0.99)} ms (raw p50 ${theirs.echoP50Ms} ms, p99 ${theirs.echoP99Ms} ms)`,
  );
});
