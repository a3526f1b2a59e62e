// Links as other programs make them: #provider=akash1…&owner=…&dseq=…&token=… A token in
// one is taken out of the address at once, so that it appears neither on screen nor in the
// history.

import { paths } from "./paths.js";
import { navigate } from "./route.js";

/**
 * Goes to the view that such a link means, and returns its token, if it has one. Does
 * nothing at an address of the page's own.
 */
export function followLink(): string | undefined {
  const { hash } = location;
  if (hash.length < 2 || hash.startsWith("#/")) return undefined;
  const given = new URLSearchParams(hash.slice(1));
  navigate(pathOf(given), { replace: true });
  return given.get("token") || undefined;
}

/** Returns the path of the view that a link's fields mean. */
export function pathOf(fields: URLSearchParams): string {
  const field = (name: string) => fields.get(name) ?? "";
  const [provider, owner, dseq] = [field("provider"), field("owner"), field("dseq")];
  if (provider && owner && dseq) {
    const [gseq, oseq] = [Number(field("gseq")) || 1, Number(field("oseq")) || 1];
    return paths.lease({ owner, dseq, gseq, oseq, provider });
  }
  return provider ? paths.provider(provider) : paths.home;
}
