/** readTraceparent returns the trace that a call belongs to, as the page's function says. */
export function readTraceparent(
  traceparent: (() => string | undefined) | undefined,
): string | undefined {
  const value = traceparent?.();
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !/^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(value)) {
    throw new TypeError(
      'traceparent must return undefined or a text such as "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"',
    );
  }
  return value;
}
