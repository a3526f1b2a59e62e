import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

/** The lines of a directory's sources, without its tests. */
const sources = (path: string) =>
  readdirSync(new URL(path, root), { recursive: true, encoding: "utf8" })
    .filter((name) => /(?<!_test)\.go$|\.ts$/.test(name))
    .map((name) => read(`${path}/${name}`))
    .join("\n");

test("the type ErrorReason has every reason of the bridge, the module and the package", () => {
  const [, union = ""] = /export type ErrorReason =(.*?);/s.exec(read("npm/src/errors.ts")) ?? [];
  const known = [...union.matchAll(/"(\w+)"/g)].map(([, reason]) => reason);
  const given = [
    [read("bridge/rpcerror/rpcerror.go"), /^\tReason\w+ +Reason = "(\w+)"$/gm],
    [
      sources("wasm/client"),
      /^(?:const |\t)(?:reason\w+|token[A-Z]\w+|scope\w+|outcome\w+) += "(\w+)"$/gm,
    ],
    [
      sources("npm/src"),
      /reason: (?:\w+ \? )?"(\w+)"(?:,| :)|^ {4,6}"(tooManyStreams|webSocketUnavailable)",$/gm,
    ],
  ] as const;
  const reasons = new Set(
    given.flatMap(([text, pattern]) => {
      const found = [...text.matchAll(pattern)].map(([, a, b]) => a ?? b);
      expect(found.length, String(pattern)).toBeGreaterThan(1);
      return found;
    }),
  );
  expect(known.toString().split(",").sort()).toEqual([...reasons].sort());
});
