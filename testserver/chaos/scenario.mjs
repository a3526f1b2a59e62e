// Generates the faults of a run in advance, so that a seed determines all of them.

import { bridges, killable, links } from "./stage.mjs";

/**
 * A fault. It begins a number of milliseconds after the end of the one before or, if
 * settled is set, only after every stream has recovered from that one.
 *
 * @typedef {object} Fault
 * @property {"kill" | "stop" | "cut" | "limit" | "stall" | "offline"} kind
 * @property {string[]} [who] the programs that are killed or stopped, and started again
 * @property {string} [link] the link that is cut or stalled
 * @property {number} [bytes] how much each connection of the link still transfers
 * @property {string[]} [directions] the stalled directions
 * @property {boolean} [lost] whether data sent during the stall is lost
 * @property {boolean} settled whether to wait until the streams have recovered
 * @property {number} after delay in milliseconds
 * @property {number} lasts duration in milliseconds
 */

/**
 * Generates a run with the given number of kills and half as many cuts and stalls. For
 * every ten kills, one bridge is restarted and the page is offline once.
 */
export function scenario(random, kills) {
  const faults = [];
  let left = kills;
  while (left > 0) {
    const n = Math.min(left, random.pick([1, 1, 1, 1, 1, 2, 2, 3]));
    faults.push({
      kind: "kill",
      who: random.shuffle(killable).slice(0, n),
      lasts: random.between(0, 1500),
    });
    left -= n;
  }
  for (let i = 0; i < kills / 10; i++) {
    faults.push({ kind: "stop", who: [random.pick(bridges)], lasts: random.between(0, 1000) });
    faults.push({ kind: "offline", lasts: random.between(500, 3000) });
  }
  for (let i = 0; i < kills / 2; i++) {
    const link = random.pick(links);
    const kind = random.pick(["cut", "limit", "stall"]);
    faults.push({
      kind,
      link,
      bytes: random.between(1, 200_000),
      directions: random.pick([["upstream"], ["downstream"], ["upstream", "downstream"]]),
      lost: random.next() < 0.5,
      lasts: kind === "stall" ? random.between(500, 4000) : random.between(0, 1000),
    });
  }
  return random.shuffle(faults).map((fault) => ({
    ...fault,
    settled: random.next() < 0.5,
    after: random.between(0, 1000),
  }));
}

/** Describes a fault in one line. */
export function describe({ kind, who, link, bytes, directions, lost, lasts }) {
  switch (kind) {
    case "kill":
    case "stop":
      return `${kind} ${who.join(", ")} for ${lasts} ms`;
    case "cut":
      return `cut ${link}`;
    case "offline":
      return `take the page offline for ${lasts} ms`;
    case "limit":
      return `close ${link} after ${bytes} bytes, for ${lasts} ms`;
  }
  return `stall ${link} ${directions.join(" and ")} for ${lasts} ms${lost ? ", then close it" : ""}`;
}
