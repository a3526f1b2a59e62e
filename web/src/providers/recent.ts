// The most recently shown providers, for the suggestions under the field.

const key = "akash-provider-web.recent";
const most = 8;

/** Returns the addresses, most recent first. */
export function recent(): string[] {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(kept) ? kept.filter((a) => typeof a === "string").slice(0, most) : [];
  } catch {
    return []; // storage is disabled, or has other data
  }
}

/** Adds an address at the front. */
export function remember(address: string): void {
  try {
    const rest = recent().filter((a) => a !== address);
    localStorage.setItem(key, JSON.stringify([address, ...rest].slice(0, most)));
  } catch {
    // Storage is disabled or full. The list is only a convenience.
  }
}
