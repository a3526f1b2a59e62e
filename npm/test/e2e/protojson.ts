// The expected form of a message in a page, made from its protojson without the
// product's code.

// Powers of ten, as exponents: 63900e-3 is read exactly, 63900 * 1e-3 is not.
const decimal: Record<string, number> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const binary: Record<string, number> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };

/** Reads a Kubernetes quantity such as 63900m or 511Gi. */
export function quantity(text: string): { text: string; value: number } {
  const [, digits = "", suffix = ""] = /^([+-]?[0-9.]+)([A-Za-z]*)$/.exec(text) ?? [];
  const ten = decimal[suffix];
  const two = binary[suffix];
  if (digits === "" || (ten === undefined && two === undefined))
    throw new Error(`not a quantity: ${text}`);
  return {
    text,
    value: ten !== undefined ? Number(`${digits}e${ten}`) : Number(digits) * 2 ** (two ?? 0),
  };
}

/**
 * Turns protojson into the client's form: quantities become {text, value}, and
 * durations {text, seconds}.
 */
export function expected(json: unknown, name = ""): unknown {
  if (Array.isArray(json)) return json.map((element) => expected(element));
  if (typeof json === "object" && json !== null) {
    const entries = Object.entries(json);
    if (entries.length === 1 && entries[0]?.[0] === "string")
      return quantity(String(entries[0][1]));
    return Object.fromEntries(entries.map(([key, value]) => [key, expected(value, key)]));
  }
  if (name === "reclamationWindow") return { text: json, seconds: Number.parseFloat(String(json)) };
  return json;
}

/** Leaves out what protojson leaves out: zeros, empty texts, lists and messages. */
export function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value))
    return value.length === 0 ? undefined : value.map((element) => withoutDefaults(element) ?? {});
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
      .map(([key, member]) => [key, withoutDefaults(member)] as const)
      .filter(([, member]) => member !== undefined);
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }
  return value === 0 || value === "" || value === null ? undefined : value;
}
