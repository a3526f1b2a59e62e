// Who is signed in, and the credentials for calls about leases. They are in memory only.

import type { Auth } from "akash-provider-web";
import { useSyncExternalStore } from "react";

/** Who is signed in. */
export interface Session {
  /** The credentials for calls of the client; undefined if nobody is signed in. */
  readonly auth: Auth | undefined;
  /** The account whose leases can be seen, if the credentials name it. */
  readonly owner: string | undefined;
}

const nobody: Session = { auth: undefined, owner: undefined };

let session = nobody;
const listeners = new Set<() => void>();

function set(next: Session): void {
  session = next;
  for (const listener of listeners) listener();
}

/** Returns who is signed in. The same object until that changes. */
export const currentSession = (): Session => session;

/** Signs in with a token that somebody pasted. */
export function signInWithToken(token: string): void {
  set({ auth: { type: "jwt", token }, owner: undefined });
}

/** Forgets the credentials. */
export function signOut(): void {
  set(nobody);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Returns who is signed in, and renders again when that changes. */
export const useSession = (): Session => useSyncExternalStore(subscribe, currentSession);
