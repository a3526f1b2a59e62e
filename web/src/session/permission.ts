// What the tokens of the session do not permit, which is said before something is tried.

import { session as t } from "../text/en.js";
import { grants, type TokenLease } from "./grants.js";
import { type ScopeGroup, scopesOf } from "./scopes.js";
import { useSession } from "./session.js";

/**
 * Returns why the session does not permit a group of scopes for a lease, undefined if it does
 * or if only the provider knows, as with a certificate.
 */
export function usePermission(group: ScopeGroup, lease: TokenLease): string | undefined {
  const { kind, groups, token } = useSession();
  const what = t.groups[group];
  if (kind === "wallet" && !groups.includes(group)) return t.notPermitted(what);
  if (token && !scopesOf([group]).every((scope) => grants(token.grants, scope, lease))) {
    return t.notGranted(what);
  }
  return undefined;
}
