// How much of each resource a provider used, since the page has looked.

import type { ProviderStatus } from "akash-provider-web";
import type { Point } from "../ui/Sparkline.js";
import { resources } from "./resources.js";

/** The most points of a plot. When there are more, every second one of the older half goes. */
const most = 240;

/** What was used of each resource over time, by its name. */
export type History = ReadonlyMap<string, readonly Point[]>;

/** Returns the history with a status added. A figure that is as before adds no point. */
export function record(history: History, status: ProviderStatus, at: number): History {
  const next = new Map(history);
  for (const { name, used } of resources(status)) {
    const points = next.get(name) ?? [];
    if (points.at(-1)?.value === used) continue;
    next.set(name, thin([...points, { at, value: used }]));
  }
  return next;
}

function thin(points: readonly Point[]): readonly Point[] {
  if (points.length <= most) return points;
  const half = points.length >> 1;
  return [...points.slice(0, half).filter((_, i) => i % 2 === 0), ...points.slice(half)];
}
