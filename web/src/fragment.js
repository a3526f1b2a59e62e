// The fragment of the page's address: #provider=akash1…&owner=…&dseq=…&gseq=…&oseq=…
// Browsers do not send the fragment, and it makes the page's state linkable.

const fields = ["provider", "owner", "dseq", "gseq", "oseq", "service"];

/**
 * Returns the fields in the page's address. A token is accepted, for programs that
 * open the page for a user, but removed from the address at once, so that it appears
 * neither on screen nor in the history.
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

/** Updates the page's address from its fields, but never adds the token. */
export function writeFragment(values) {
  const next = new URLSearchParams();
  for (const name of fields) {
    if (values[name]) next.set(name, values[name]);
  }
  history.replaceState(null, "", `#${next}`);
}
