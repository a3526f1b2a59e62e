import assert from "node:assert/strict";
import { test } from "vitest";
import { pathOf } from "../src/route/links.js";
import { paths } from "../src/route/paths.js";
import { match } from "../src/route/route.js";

test("a path gives the parameters of its pattern", () => {
  assert.deepEqual(match("/provider/:provider", "/provider/akash1x"), { provider: "akash1x" });
  assert.deepEqual(match("/a/:b/:c", "/a/x%2Fy/%E2%82%AC"), { b: "x/y", c: "€" });
  assert.deepEqual(match("/a/:b", "/a/100%"), { b: "100%" });
  for (const path of ["/", "/provider", "/provider/", "/provider/x/y", "/other/x"]) {
    assert.equal(match("/provider/:provider", path), undefined, path);
  }
  assert.deepEqual(match("/", "/"), {});
});

test("the address of a lease leads back to it", () => {
  const lease = { owner: "akash1o", dseq: "12", gseq: 1, oseq: 2, provider: "akash1p" };
  assert.deepEqual(
    match("/lease/:owner/:dseq/:gseq/:oseq/:provider/:view", paths.lease(lease, "events")),
    { ...lease, gseq: "1", oseq: "2", view: "events" },
  );
});

test("links of other programs lead to what they name", () => {
  const lead = (fields: string) => pathOf(new URLSearchParams(fields));
  assert.equal(
    lead("provider=akash1p&owner=akash1o&dseq=12&token=x"),
    "/lease/akash1o/12/1/1/akash1p/logs",
  );
  assert.equal(
    lead("provider=akash1p&owner=akash1o&dseq=12&gseq=2&oseq=3"),
    "/lease/akash1o/12/2/3/akash1p/logs",
  );
  assert.equal(lead("provider=akash1p&owner=akash1o"), "/provider/akash1p");
  assert.equal(lead("token=x"), "/");
});
