import type { LeaseList, LeaseState, Trust } from "./types.js";

/** The module's form of a list of leases. */
export interface RawLeases {
  leases: {
    id: { owner: string; dseq: string; gseq: number; oseq: number; bseq: number; provider: string };
    state: LeaseState;
    price: string;
    denom: string;
    createdAt: number;
    closedOn: number;
  }[];
  more: number;
  completeness: Trust;
  height: number;
}

/** readLeases converts a list of leases into the public form. */
export function readLeases({ leases, more, completeness, height }: RawLeases): LeaseList {
  return {
    leases: leases.map(({ id, ...rest }) => ({
      lease: { ...id, dseq: BigInt(id.dseq) },
      ...rest,
    })),
    more: more !== 0,
    completeness,
    height,
  };
}
