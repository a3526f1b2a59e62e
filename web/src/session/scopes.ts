// What a token permits (AEP-64).

/** A scope of a token. */
export type Scope =
  | "status"
  | "logs"
  | "events"
  | "get-manifest"
  | "restart"
  | "shell"
  | "send-manifest";

/** The scopes in groups, as people choose them. */
export const scopeGroups = {
  look: ["status", "logs", "events", "get-manifest"],
  restart: ["restart"],
  shell: ["shell"],
  manifest: ["send-manifest"],
} as const satisfies Record<string, readonly Scope[]>;

export type ScopeGroup = keyof typeof scopeGroups;

/** All groups, in the order in which they are offered. */
export const allGroups = Object.keys(scopeGroups) as ScopeGroup[];

/** Returns the scopes of groups. */
export const scopesOf = (groups: readonly ScopeGroup[]): Scope[] =>
  groups.flatMap((group) => scopeGroups[group]);
