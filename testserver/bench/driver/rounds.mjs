// Runs contenders in turn, A B C A B C …, so that other load on the machine affects
// all of them alike, and summarizes the results.

import { progress } from "./report.mjs";

/**
 * @typedef {object} Row a comparison
 * @property {string} name
 * @property {string} unit
 * @property {"higher" | "lower"} better
 * @property {string} figure the name of the compared figure
 * @property {string} ours our contender
 * @property {string[]} [peers]
 * @property {string} [floor]
 */

/** Returns the median of numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Returns half of the interquartile range relative to the median: how much a value
 * varies from round to round.
 */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q) => {
    const i = q * (sorted.length - 1);
    const low = Math.floor(i);
    return sorted[low] + (i - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  };
  return (at(0.75) - at(0.25)) / 2 / Math.abs(median(values) || 1);
}

/**
 * Measures contenders and compares them. A peer that fails is omitted with a message
 * on stderr; a failure of ours is an error.
 *
 * @param {string} title
 * @param {number} rounds
 * @param {Record<string, () => Promise<Record<string, number>>>} contenders functions that measure once
 * @param {Row[]} rows
 */
export async function compare(title, rounds, contenders, rows) {
  const samples = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  const ours = new Set(rows.map((row) => row.ours));
  for (let round = 1; round <= rounds; round++) {
    progress(`${title}: round ${round} of ${rounds}`);
    for (const [name, run] of Object.entries(contenders)) {
      if (!samples[name]) continue;
      try {
        samples[name].push(await run());
      } catch (error) {
        if (ours.has(name)) throw error;
        progress();
        console.error(`${title}: ${name} is omitted: ${error.message}`);
        delete samples[name];
      }
    }
  }
  progress();
  return rows.map((row) => summary(row, samples));
}

function summary({ figure, ours, peers = [], floor, ...row }, samples) {
  const values = (name) => samples[name]?.map((run) => run[figure]) ?? [];
  const of = (name) =>
    values(name).length > 0 && { value: median(values(name)), spread: spread(values(name)) };
  const present = peers.filter(of);
  const better = (mine, theirs) => (row.better === "higher" ? mine / theirs : theirs / mine);
  return {
    ...row,
    ours: of(ours),
    floor: (floor && of(floor)) || null,
    peers: Object.fromEntries(present.map((name) => [name, of(name)])),
    // The ratio is that of the medians; its range is that of the rounds.
    ratios: Object.fromEntries(
      present.map((name) => {
        const all = values(ours).map((mine, i) => better(mine, values(name)[i]));
        return [
          name,
          {
            value: better(of(ours).value, of(name).value),
            least: Math.min(...all),
            most: Math.max(...all),
          },
        ];
      }),
    ),
  };
}
