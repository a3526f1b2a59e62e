// Reads tokens that somebody pastes.

import { isAddress } from "../ui/address.js";
import { type Grant, readGrants, type TokenLease } from "./grants.js";

/** What a token says about itself. It is the provider who verifies it. */
export interface TokenFacts {
  readonly token: string;
  readonly owner: string;
  /** When it expires, in milliseconds since 1970; undefined if it does not say. */
  readonly expires: number | undefined;
  /** Whether it is for every provider. */
  readonly everywhere: boolean;
  /** The providers that it names. */
  readonly providers: readonly string[];
  /** The deployments that it names. */
  readonly leases: readonly TokenLease[];
  /** What it permits. */
  readonly grants: readonly Grant[];
}

/** Why a text is not a token. */
export type TokenProblem = "empty" | "shape" | "owner";

/** Removes what people copy with a token: quotes, Bearer, spaces and line breaks. */
export function cleanToken(text: string): string {
  return text
    .replace(/^[\s"'`]*(?:authorization\s*:)?[\s"'`]*(?:bearer\s)?/i, "")
    .replace(/[\s"'`,;]+/g, "");
}

interface Claims {
  iss?: unknown;
  exp?: unknown;
  leases?: { access?: unknown; permissions?: unknown };
}

/** Reads a token, or says why it is none. It may have expired. */
export function readToken(text: string): TokenFacts | TokenProblem {
  const token = cleanToken(text);
  if (token === "") return "empty";
  const parts = token.split(".");
  const claims = parts.length === 3 ? (decode(parts[1] ?? "") as Claims | undefined) : undefined;
  if (!claims || !decode(parts[0] ?? "") || parts[2] === "") return "shape";
  const { iss, exp, leases } = claims;
  if (typeof iss !== "string" || !isAddress(iss)) return "owner";
  const expires = typeof exp === "number" ? exp * 1000 : undefined;
  const permissions = list(leases?.permissions);
  return {
    token,
    owner: iss,
    expires,
    everywhere: leases?.access !== "granular",
    providers: permissions.map(({ provider }) => provider).filter(isAddress),
    leases: permissions.flatMap(({ provider, deployments }) =>
      isAddress(provider)
        ? list(deployments).flatMap(({ dseq, gseq, oseq }) =>
            isNumber(dseq)
              ? [{ provider, dseq: `${dseq}`, gseq: Number(gseq) || 1, oseq: Number(oseq) || 1 }]
              : [],
          )
        : [],
    ),
    grants: readGrants(leases),
  };
}

/** Returns an array of objects as they came, and nothing for anything else. */
const list = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];

const isNumber = (value: unknown) =>
  (typeof value === "number" || typeof value === "string") && /^[0-9]{1,20}$/.test(`${value}`);

/** Decodes a part of a token; undefined if it is no JSON object. */
function decode(part: string): unknown {
  try {
    const bytes = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    const text = new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
