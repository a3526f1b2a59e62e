// What the address of the page says: #provider=akash1…&owner=…&dseq=…&gseq=…&oseq=…
// A fragment never leaves the browser, and the page can be linked to.

const fields = ["provider", "owner", "dseq", "gseq", "oseq", "service"];

/**
 * Returns the fields that the page's address gives. A token is accepted, for
 * programs that open the page for somebody, and taken out of the address at
 * once, so that it stays neither in view nor in the history.
 */
export function readFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  const found = {};
  for (const name of [...fields, "token"]) {
    const value = given.get(name);
    if (value) found[name] = value;
  }
  if (found.token) writeFragment(found);
  return found;
}

/** Makes the page's address tell the same as its fields, never the token. */
export function writeFragment(values) {
  const next = new URLSearchParams();
  for (const name of fields) {
    if (values[name]) next.set(name, values[name]);
  }
  history.replaceState(null, "", `#${next}`);
}
