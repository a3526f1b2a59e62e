import assert from "node:assert/strict";
import type { ClusterNode, DiscoverResult, ProviderStatus } from "akash-provider-web";
import { test } from "vitest";
import { record } from "../src/providers/history.js";
import { freeGpus, type Row, rowOf, searchRows, sortRows } from "../src/providers/rows.js";
import { area } from "../src/ui/Sparkline.js";

const q = (value: number) => ({ text: String(value), value });
const pair = (allocatable: number, allocated: number) => ({
  allocatable: q(allocatable),
  allocated: q(allocated),
  attributes: [],
});
const gpu = (name: string) => ({
  vendor: "nvidia",
  vendorId: "",
  name,
  modelid: "",
  interface: "PCIe",
  memorySize: "24Gi",
});
const node = (total: number, used: number, ...models: string[]): ClusterNode => ({
  name: "node",
  resources: { gpu: { quantity: pair(total, used), info: models.map(gpu) } },
});
const statusOf = (...nodes: ClusterNode[]): ProviderStatus => ({
  errors: [],
  publicHostnames: ["Host.Example"],
  cluster: { leases: { active: 3 }, inventory: { cluster: { nodes, storage: [] } } },
});

test("free GPUs are counted by model, as many as there may be", () => {
  const status = statusOf(
    node(4, 1, "rtx4090", "rtx4090", "rtx4090", "rtx4090"),
    node(3, 2, "a100", "rtx4090", "rtx4090"),
    node(1, 2, "h100"),
    { name: "empty" },
  );
  assert.deepEqual(freeGpus(status), [
    ["rtx4090", 4],
    ["a100", 1],
  ]);
});

test("an answer becomes a row in which everything shown can be found", () => {
  const answer = {
    provider: "akash1p",
    tookMs: 12,
    status: "success",
    response: statusOf(node(2, 1, "rtx4090", "rtx4090")),
    attempts: 1,
    method: "grpc",
    providerVersion: "v0.16.2",
  } as DiscoverResult;
  const row = rowOf(answer);
  assert.equal(row.state, "online");
  assert.equal(row.leases, 3);
  assert.deepEqual(row.gpu, { name: "GPU", kind: "devices", used: 1, total: 2 });
  for (const search of ["akash1p", "RTX4090", "host.example 0.16", ""]) {
    assert.deepEqual(searchRows([row], search), [row], search);
  }
  assert.deepEqual(searchRows([row], "rtx4090 a100"), []);
});

const row = (address: string, rest: Partial<Row> = {}): Row => ({
  address,
  state: "online",
  text: address,
  ...rest,
});

test("rows are sorted as people expect, and the unknown comes last", () => {
  const rows = [
    row("c", { version: "v0.10.2", latency: 9, cpu: { used: 1, total: 4 } }),
    row("a", { version: "v0.9.1", latency: 80, cpu: { used: 60, total: 64 } }),
    row("d", { state: "offline" }),
    row("b", { state: "asking" }),
  ];
  const order = (by: Parameters<typeof sortRows>[1]["by"], descending = false) =>
    sortRows(rows, { by, descending })
      .map(({ address }) => address)
      .join("");
  assert.equal(order("state"), "acdb");
  assert.equal(order("address", true), "dcba");
  assert.equal(order("version", true), "cabd");
  assert.equal(order("version"), "acbd");
  assert.equal(order("latency"), "cabd");
  assert.equal(order("cpu", true), "acbd");
});

test("the history has a point for each change, and a bounded number", () => {
  let history: ReturnType<typeof record> = new Map();
  for (let i = 0; i < 1_000; i++) {
    history = record(history, statusOf(node(8, Math.floor(i / 2) % 8)), i);
  }
  const points = history.get("GPU") ?? [];
  assert.ok(points.length <= 240 && points.length > 100, `${points.length}`);
  assert.equal(points[0]?.at, 0);
  assert.equal(points.at(-1)?.at, 998);
  assert.equal(history.get("CPU")?.length, 1);
});

test("a plot is an area below the figures", () => {
  assert.equal(area([], 1), "");
  assert.equal(
    area(
      [
        { at: 0, value: 0 },
        { at: 10, value: 2 },
        { at: 20, value: 9 },
      ],
      4,
    ),
    "M0 32V31H80V16H160V1H160V32Z",
  );
});
