import assert from "node:assert/strict";
import type { ProviderStatus } from "akash-provider-web";
import { test } from "vitest";
import { certificate, resources, share, sum } from "../src/providers/resources.js";
import { bytes, percent } from "../src/ui/quantity.js";

const q = (value: number) => ({ text: String(value), value });
const pair = (allocatable: number, allocated: number) => ({
  allocatable: q(allocatable),
  allocated: q(allocated),
  attributes: [],
});

const empty: ProviderStatus = { errors: [], publicHostnames: [] };

test("resources are summed over nodes, and storage by class", () => {
  const status: ProviderStatus = {
    ...empty,
    cluster: {
      inventory: {
        cluster: {
          nodes: [
            {
              name: "one",
              resources: {
                cpu: { quantity: pair(64, 16), info: [] },
                memory: { quantity: pair(2 ** 39, 2 ** 38), info: [] },
              },
            },
            { name: "two", resources: { cpu: { quantity: pair(32, 8), info: [] } } },
            { name: "three" },
          ],
          storage: [{ info: { class: "beta3", iops: "" }, quantity: pair(2 ** 42, 2 ** 40) }],
        },
      },
    },
  };
  const found = Object.fromEntries(resources(status).map((r) => [r.name, share(r)]));
  assert.deepEqual(found, {
    CPU: "24 of 96 cores",
    GPU: "0 of 0",
    Memory: "256 of 512 GiB",
    "Ephemeral storage": "0 of 0 B",
    "Storage beta3": "1 of 4 TiB",
  });
});

test("how the certificate is known is said in words", () => {
  for (const [verified, trust, text] of [
    ["chain", "quorum=2/3", "as on the chain; 2 of 3 chain nodes agree"],
    ["chain", "proven", "as on the chain; proven by the chain’s validators"],
    [
      "ca",
      "operator",
      "from a public CA, for the provider’s host; the bridge’s operator named the host",
    ],
    ["ca", "one-node", "from a public CA, for the provider’s host; one chain node says so"],
    ["pin", "pin", "the pinned one"],
    ["none", "none", "not verified: anyone may have answered"],
    ["chain", "of a later bridge", "as on the chain"],
    [undefined, undefined, ""],
  ]) {
    assert.equal(certificate({ verified, trust }), text);
  }
});

test("a status without a cluster has no resources", () => {
  assert.equal(
    resources(empty).every((r) => r.total === 0 && r.used === 0),
    true,
  );
});

test("negative amounts count as zero", () => {
  assert.deepEqual(sum([pair(10, -2), undefined, { allocated: q(1) }]), { used: 1, total: 10 });
});

test("bytes are formatted in the unit of the larger number", () => {
  assert.deepEqual(bytes(512 * 2 ** 20, 4 * 2 ** 30), { texts: ["0.5", "4"], unit: "GiB" });
  assert.deepEqual(bytes(0, 0), { texts: ["0", "0"], unit: "B" });
  assert.equal(percent(1.096), "110 %");
});
