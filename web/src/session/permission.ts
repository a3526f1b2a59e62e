// What the tokens of the session do not permit, which is said before something is tried.

import { session as t } from "../text/en.js";
import type { ScopeGroup } from "./scopes.js";
import { useSession } from "./session.js";

/**
 * Returns why the session does not permit a group of scopes, undefined if it does or if only
 * the provider knows, as with a pasted token.
 */
export function usePermission(group: ScopeGroup): string | undefined {
  const { kind, groups } = useSession();
  if (kind !== "wallet" || groups.includes(group)) return undefined;
  return t.notPermitted(t.groups[group]);
}
