// What goes wrong in a run, made up before it begins, so that a seed says all of it.

import { bridges, links, victims } from "./stage.mjs";

/**
 * A mishap. It begins so many milliseconds after the one before is over, or, where
 * calm is set, not before every stream has recovered from that one.
 *
 * @typedef {object} Mishap
 * @property {"kill" | "stop" | "cut" | "limit" | "stall" | "offline"} kind
 * @property {string[]} [who] is killed, or asked to stop, and started again
 * @property {string} [link] is cut or stalled
 * @property {number} [bytes] that each connection of the link still carries
 * @property {string[]} [directions] that are stalled
 * @property {boolean} [lost] what was sent during the stall
 * @property {boolean} calm
 * @property {number} after in milliseconds
 * @property {number} lasts in milliseconds
 */

/**
 * Makes up a run with so many kills, half as many cuts and stalls, and for ten kills
 * one bridge that is restarted as an operator would, and one time without a network.
 */
export function scenario(random, kills) {
  const mishaps = [];
  let left = kills;
  while (left > 0) {
    const n = Math.min(left, random.pick([1, 1, 1, 1, 1, 2, 2, 3]));
    mishaps.push({
      kind: "kill",
      who: random.shuffle(victims).slice(0, n),
      lasts: random.between(0, 1500),
    });
    left -= n;
  }
  for (let i = 0; i < kills / 10; i++) {
    mishaps.push({ kind: "stop", who: [random.pick(bridges)], lasts: random.between(0, 1000) });
    mishaps.push({ kind: "offline", lasts: random.between(500, 3000) });
  }
  for (let i = 0; i < kills / 2; i++) {
    const link = random.pick(links);
    const kind = random.pick(["cut", "limit", "stall"]);
    mishaps.push({
      kind,
      link,
      bytes: random.between(1, 200_000),
      directions: random.pick([["upstream"], ["downstream"], ["upstream", "downstream"]]),
      lost: random.next() < 0.5,
      lasts: kind === "stall" ? random.between(500, 4000) : random.between(0, 1000),
    });
  }
  return random.shuffle(mishaps).map((mishap) => ({
    ...mishap,
    calm: random.next() < 0.5,
    after: random.between(0, 1000),
  }));
}

/** A mishap in a line. */
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
