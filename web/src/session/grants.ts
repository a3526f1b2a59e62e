// What a pasted token permits (AEP-64). The provider decides; this is to say it before
// something is tried.

import { isAddress } from "../ui/address.js";

/** A lease, as tokens name it. */
export interface TokenLease {
  readonly provider: string;
  readonly dseq: string;
  readonly gseq: number;
  readonly oseq: number;
}

/** The scopes that a token has for some leases. */
export interface Grant {
  /** The only provider; undefined for all of them. */
  readonly provider?: string;
  /** The only leases; undefined for all of them. Without gseq or oseq, each one. */
  readonly lease?: { readonly dseq: string; readonly gseq?: number; readonly oseq?: number };
  /** undefined for all scopes. */
  readonly scopes?: readonly unknown[];
}

/** Reads what a token's claim `leases` grants. Without a known access that is everything. */
export function readGrants(leases: unknown): Grant[] {
  const { access, scope, permissions } = object(leases);
  if (access === "scoped") return [{ scopes: array(scope) }];
  if (access !== "granular") return [{}];
  return array(permissions).flatMap((permission) => {
    const { provider, access, scope, deployments } = object(permission);
    if (!isAddress(provider)) return [];
    if (access === "scoped") return [{ provider, scopes: array(scope) }];
    if (access !== "granular") return [{ provider }];
    return array(deployments).flatMap((deployment) => {
      const { dseq, gseq, oseq, scope } = object(deployment);
      if (typeof dseq !== "number" && typeof dseq !== "string") return [];
      const lease = {
        dseq: `${dseq}`,
        ...(gseq ? { gseq: Number(gseq) } : {}),
        ...(oseq ? { oseq: Number(oseq) } : {}),
      };
      return [{ provider, lease, scopes: array(scope) }];
    });
  });
}

/** Reports whether one of the grants has a scope for a lease. */
export function grants(all: readonly Grant[], scope: string, lease: TokenLease): boolean {
  return all.some(
    ({ provider = lease.provider, lease: only, scopes }) =>
      provider === lease.provider &&
      (!only ||
        (only.dseq === lease.dseq &&
          (only.gseq ?? lease.gseq) === lease.gseq &&
          (only.oseq ?? lease.oseq) === lease.oseq)) &&
      (!scopes || scopes.includes(scope)),
  );
}

const object = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};

const array = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
