import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "vitest";
import { advice } from "../src/client/advice.js";

test("there is advice for every reason of the bridge", async () => {
  const source = await readFile(
    new URL("../../bridge/rpcerror/rpcerror.go", import.meta.url),
    "utf8",
  );
  const reasons = [...source.matchAll(/Reason = "(\w+)"/g)].map(([, reason]) => reason);
  assert.ok(reasons.length > 10);
  assert.deepEqual(
    reasons.filter((reason) => advice({ reason }) === ""),
    [],
  );
});

test("without a reason the code decides; without both there is no advice", () => {
  assert.match(advice({ code: "UNAUTHENTICATED" }), /token/);
  assert.equal(advice({ code: "UNKNOWN" }), "");
  assert.equal(advice({}), "");
});
