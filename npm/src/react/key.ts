/**
 * keyOf returns a text that is the same for options that describe the same call, so
 * that options may be new objects at every render. Functions are ignored.
 */
export function keyOf(options: unknown): string {
  return (
    JSON.stringify(options, (_, value) => {
      if (typeof value === "bigint") return `${value}`;
      if (value === Number.POSITIVE_INFINITY) return "Infinity";
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? ""
  );
}
