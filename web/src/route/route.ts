// Where the page is: the part of its address after "#". Browsers do not send it, so that a
// bridge's log has none of it, and it makes every view linkable.

import { useSyncExternalStore } from "react";

/** Returns the path in the page's address, "/" if there is none. */
export function currentPath(): string {
  const { hash } = location;
  return hash.startsWith("#/") ? hash.slice(1) : "/";
}

let previous: string | undefined;
globalThis.addEventListener?.("hashchange", ({ oldURL }) => {
  const { hash } = new URL(oldURL);
  previous = hash.startsWith("#/") ? hash.slice(1) : "/";
});

/** Returns the path from which the present one was reached within the page. */
export const previousPath = (): string | undefined => previous;

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener("hashchange", listener);
  return () => {
    listeners.delete(listener);
    removeEventListener("hashchange", listener);
  };
}

/** Returns the path in the page's address, and renders again when it changes. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, currentPath);
}

/** Goes to a view. With replace, the way back does not lead to the present one. */
export function navigate(path: string, { replace = false } = {}): void {
  if (!replace) {
    location.hash = path;
    return;
  }
  history.replaceState(null, "", `#${path}`);
  for (const listener of listeners) listener();
}

/** The names of the parameters of a pattern such as "/provider/:provider". */
type Names<Pattern extends string> = Pattern extends `${string}/:${infer Name}/${infer Rest}`
  ? Name | Names<`/${Rest}`>
  : Pattern extends `${string}/:${infer Name}`
    ? Name
    : never;

/** The parameters of a pattern. */
export type Params<Pattern extends string> = Readonly<Record<Names<Pattern>, string>>;

/** Returns the parameters of a path, or undefined if it does not have the pattern. */
export function match<Pattern extends string>(
  pattern: Pattern,
  path: string,
): Params<Pattern> | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const found: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = decode(given[i] ?? "");
    if (part.startsWith(":")) {
      if (value === "") return undefined;
      found[part.slice(1)] = value;
    } else if (part !== value) return undefined;
  }
  return found as Params<Pattern>;
}

/** Decodes a part of a path. What somebody typed may not be encoded. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
