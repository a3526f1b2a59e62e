// Whether a provider can restart services, as far as that is known before it is asked.

import type { Route } from "akash-provider-web";

/** The providers that have said that they cannot. */
const refused = new Set<string>();

/** Remembers that a provider cannot restart services. */
export function cannotRestart(provider: string): void {
  refused.add(provider);
}

/**
 * Whether it is certain that a provider cannot restart services. Only AEP-37's LeaseRPC can.
 * A provider that has it answers for the status of services with it, so that one whose status
 * came over REST does not have it.
 */
export const isUnableToRestart = (provider: string, status: Route | undefined): boolean =>
  refused.has(provider) || status?.method === "rest";
