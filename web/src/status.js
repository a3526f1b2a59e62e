// Renders a provider's status.

import { el } from "./dom.js";
import { amount, bytes, count, percent } from "./quantity.js";

/** Returns the elements for a status. about describes the connection it came from. */
export function statusView(address, status, about) {
  const nodes = status.cluster?.inventory?.cluster?.nodes ?? [];
  return [
    identity(address, status, about),
    (status.errors ?? []).length > 0 &&
      el(
        "div",
        { class: "notice warning" },
        el("strong", {}, "The provider reports errors"),
        el(
          "ul",
          {},
          status.errors.map((e) => el("li", {}, e)),
        ),
      ),
    figures(status),
    el("h3", {}, "Resources"),
    el("div", { class: "cards" }, resources(status).map(card)),
    ...gpuModels(nodes),
    nodes.length > 0 &&
      el("h3", {}, nodes.length === 1 ? "1 node" : `${count(nodes.length)} nodes`),
    nodes.length > 0 && table(nodes),
  ].filter(Boolean);
}

/** Says how the provider's certificate was verified, and how that is known. */
export function certificate({ verified, trust = "" }) {
  if (verified === "none") return "not verified: anyone may have answered";
  if (verified === "pin") return "the pinned one";
  const basis = { chain: "as on the chain", ca: "from a public CA, for the provider’s host" }[
    verified
  ];
  if (!basis) return "";
  const [, equal, all] = trust.match(/^quorum=(\d+)\/(\d+)$/) ?? [];
  const known = equal
    ? `${equal} of ${all} chain nodes agree`
    : {
        proven: "proven by the chain’s validators",
        "one-node": "one chain node says so",
        operator: "the bridge’s operator named the host",
      }[trust];
  return known ? `${basis}; ${known}` : basis;
}

function identity(address, status, about) {
  const facts = [
    ["Method", about.method === "rest" ? "REST" : "gRPC"],
    ["Endpoint", about.endpoint],
    ["Version", about.providerVersion],
    ["Certificate", certificate(about)],
    ["Host names", (status.publicHostnames ?? []).join(", ")],
  ];
  return el(
    "div",
    { class: "identity" },
    el("p", { class: "address" }, address),
    el(
      "dl",
      { class: "facts" },
      facts
        .filter(([, text]) => text)
        .map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
    ),
  );
}

function figures(status) {
  const reservations = status.cluster?.inventory?.reservations;
  const all = [
    ["Active leases", status.cluster?.leases?.active],
    ["Reservations", reservations?.active?.count],
    ["Pending", reservations?.pending?.count],
    ["Open orders", status.bidEngine?.orders],
    ["Deployments", status.manifest?.deployments],
  ];
  return el(
    "dl",
    { class: "figures" },
    all
      .filter(([, n]) => n !== undefined)
      .map(([name, n]) => el("div", {}, el("dt", {}, name), el("dd", {}, count(n)))),
  );
}

/** Returns the cluster's resources: {name, kind, used, total}. */
export function resources(status) {
  const cluster = status.cluster?.inventory?.cluster;
  const nodes = cluster?.nodes ?? [];
  const over = (name, kind, pick) => ({
    name,
    kind,
    ...sum(nodes.map((n) => pick(n.resources ?? {}))),
  });
  return [
    over("CPU", "cores", (r) => r.cpu?.quantity),
    over("GPU", "devices", (r) => r.gpu?.quantity),
    over("Memory", "bytes", (r) => r.memory?.quantity),
    over("Ephemeral storage", "bytes", (r) => r.ephemeralStorage),
    ...(cluster?.storage ?? []).map((s) => ({
      name: `Storage ${s.info?.class || "of no class"}`,
      kind: "bytes",
      ...sum([s.quantity]),
    })),
  ];
}

/** Sums resource pairs. Missing parts count as zero. */
export function sum(pairs) {
  let used = 0;
  let total = 0;
  for (const pair of pairs) {
    used += Math.max(0, pair?.allocated?.value ?? 0);
    total += Math.max(0, pair?.allocatable?.value ?? 0);
  }
  return { used, total };
}

/** Formats an amount of a total: "21.8 of 63.9 cores". */
export function share({ kind, used, total }, separator = " of ") {
  if (kind === "bytes") {
    const { texts, unit } = bytes(used, total);
    return `${texts[0]}${separator}${texts[1]} ${unit}`;
  }
  return `${amount(used)}${separator}${amount(total)}${kind === "cores" ? " cores" : ""}`;
}

function card(resource) {
  const { name, used, total } = resource;
  return el(
    "div",
    { class: total > 0 ? "card" : "card none" },
    el("p", { class: "card-name" }, name),
    el("p", { class: "card-share" }, total > 0 ? percent(used / total) : "none"),
    bar(resource),
    el("p", { class: "muted" }, total > 0 ? share(resource) : " "),
  );
}

/**
 * Returns a bar that shows the used share. It is full if the resource is overcommitted.
 */
function bar({ name, used, total }) {
  const part = total > 0 ? used / total : 0;
  const fill = el("span", { class: part > 1 ? "fill over" : part > 0.9 ? "fill high" : "fill" });
  fill.style.width = `${Math.min(1, part) * 100}%`;
  return el(
    "div",
    {
      class: "bar",
      role: "meter",
      "aria-label": `${name} used`,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": Math.round(Math.min(1, part) * 100),
      "aria-valuetext": total > 0 ? percent(part) : "none",
    },
    fill,
  );
}

function gpuModels(nodes) {
  const models = new Map();
  for (const node of nodes) {
    for (const gpu of node.resources?.gpu?.info ?? []) {
      const name = gpuName(gpu);
      models.set(name, (models.get(name) ?? 0) + 1);
    }
  }
  if (models.size === 0) return [];
  return [
    el("h3", {}, "GPU models"),
    el(
      "ul",
      { class: "chips" },
      [...models].map(([name, n]) => el("li", {}, `${n} × ${name}`)),
    ),
  ];
}

function gpuName(gpu) {
  const name = [gpu.vendor, gpu.name, gpu.memorySize, gpu.interface].filter(Boolean).join(" ");
  return name || "unknown";
}

const columns = [
  ["CPU", "cores", (r) => r.cpu?.quantity],
  ["GPU", "devices", (r) => r.gpu?.quantity],
  ["Memory", "bytes", (r) => r.memory?.quantity],
  ["Ephemeral storage", "bytes", (r) => r.ephemeralStorage],
];

function table(nodes) {
  return el(
    "div",
    { class: "table", role: "region", "aria-label": "Nodes", tabindex: 0 },
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ["Node", ...columns.map(([name]) => name), "Storage classes"].map((name) =>
            el("th", { scope: "col" }, name),
          ),
        ),
      ),
      el("tbody", {}, nodes.map(nodeRow)),
    ),
  );
}

function nodeRow(node) {
  const cells = columns.map(([name, kind, pick]) => {
    const resource = { name: `${node.name} ${name}`, kind, ...sum([pick(node.resources ?? {})]) };
    if (resource.total === 0) return el("td", { class: "muted" }, "–");
    return el("td", {}, el("span", { class: "cell-share" }, share(resource, " / ")), bar(resource));
  });
  const classes = (node.capabilities?.storageClasses ?? []).join(", ");
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, node.name || "unnamed"),
    cells,
    el("td", {}, classes || "–"),
  );
}
