import { fromBase64 } from "./attestation.js";
import { ProviderError } from "./errors.js";
import type { LeaseList, LeaseState, ListedLease, Trust } from "./types.js";
import { readFields } from "./wire.js";

/** A list of leases as the module returns it: each is an encoded message in base64. */
export interface RawLeases {
  leases: string[];
  more: number;
  completeness: Trust;
  height: number;
}

/** The states of leases by their numbers (akash.market.v1.Lease.State). */
const states: readonly (LeaseState | undefined)[] = [
  undefined,
  "active",
  "insufficient_funds",
  "closed",
  "reclaiming",
];

/** readLeases converts a list of leases, or throws a ProviderError. */
export function readLeases({ leases, more, completeness, height }: RawLeases): LeaseList {
  return { leases: leases.map(readLease), more: more !== 0, completeness, height };
}

/** readLease reads an akash.provider.web.v1.ListedLease. */
function readLease(message: string): ListedLease {
  const fields = readFields(fromBase64(message));
  const id = fields && readFields(fields.bytes.get(1) ?? new Uint8Array());
  const state = states[Number(fields?.numbers.get(2) ?? 0)];
  if (!fields || !id || !state) {
    const message = "the bridge's list of leases cannot be read";
    throw new ProviderError({ code: "INTERNAL", message });
  }
  const text = ({ bytes }: typeof fields, field: number) =>
    new TextDecoder().decode(bytes.get(field));
  const number = ({ numbers }: typeof fields, field: number) => Number(numbers.get(field) ?? 0);
  return {
    lease: {
      owner: text(id, 1),
      dseq: id.numbers.get(2) ?? 0n,
      gseq: number(id, 3),
      oseq: number(id, 4),
      bseq: number(id, 6),
      provider: text(id, 5),
    },
    state,
    price: text(fields, 3),
    denom: text(fields, 4),
    createdAt: number(fields, 5),
    closedOn: number(fields, 6),
  };
}
