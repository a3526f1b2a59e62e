// What the events of a lease say about its services.

import type { LeaseEvent } from "akash-provider-web";

/** An event, and when it arrived here: providers send no times. */
export interface SeenEvent {
  readonly id: number;
  readonly event: LeaseEvent;
  readonly at: Date;
}

/** How many events are kept. */
export const maxEvents = 1000;

/** Adds events to those that are kept, oldest first. */
export function keep(kept: readonly SeenEvent[], events: LeaseEvent[], at: Date): SeenEvent[] {
  let id = (kept.at(-1)?.id ?? 0) + 1;
  const next = [...kept, ...events.map((event) => ({ id: id++, event, at }))];
  return next.length > maxEvents ? next.slice(-maxEvents) : next;
}

/**
 * Returns the service that an event's object belongs to: the longest name that begins the
 * object's, as in web-7f8b9c6d5-x2x9p.
 */
export function serviceOf({ object }: LeaseEvent, services: readonly string[]): string | undefined {
  const name = object?.name ?? "";
  return services
    .filter((service) => name === service || name.startsWith(`${service}-`))
    .sort((a, b) => b.length - a.length)[0];
}

/**
 * Counts how often containers of each service have started again in a pod that had started
 * before, as far as the events tell. Kubernetes forgets events after an hour.
 */
export function restarts(
  seen: readonly SeenEvent[],
  services: readonly string[],
): ReadonlyMap<string, number> {
  const starts = new Map<string, number>();
  const again = new Map<string, number>();
  for (const { event } of seen) {
    const service = serviceOf(event, services);
    if (service === undefined) continue;
    again.set(service, again.get(service) ?? 0);
    if (event.reason !== "Started") continue;
    const pod = event.object?.name ?? "";
    const before = starts.get(pod) ?? 0;
    starts.set(pod, before + 1);
    if (before > 0) again.set(service, (again.get(service) ?? 0) + 1);
  }
  return again;
}
