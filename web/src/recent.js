// The providers that were looked at last, for the list under the field.

const key = "akash-provider-web.recent";
const most = 8;

/** Returns addresses, the latest first. */
export function recent() {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(kept) ? kept.filter((a) => typeof a === "string").slice(0, most) : [];
  } catch {
    return []; // storage is off, or holds something else
  }
}

/** Puts an address first. */
export function remember(address) {
  try {
    const rest = recent().filter((a) => a !== address);
    localStorage.setItem(key, JSON.stringify([address, ...rest].slice(0, most)));
  } catch {
    // Storage is off or full: the list is a convenience.
  }
}
