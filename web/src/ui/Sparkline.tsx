// A small plot of a figure over time.

/** A figure at a time, in milliseconds since 1970. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

const [width, height] = [160, 32];

/**
 * Plots figures from 0 to max as an area. It is drawn for eyes; label is what it says to
 * everybody.
 */
export function Sparkline({
  points,
  max,
  label,
}: {
  points: readonly Point[];
  max: number;
  label: string;
}) {
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <path d={area(points, max)} />
    </svg>
  );
}

/** Returns the path of the area below the figures, which hold until the next one. */
export function area(points: readonly Point[], max: number): string {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return "";
  const span = Math.max(1, last.at - first.at);
  const x = (at: number) => round(((at - first.at) / span) * width);
  const y = (value: number) =>
    round(height - 1 - (max > 0 ? Math.min(1, Math.max(0, value) / max) : 0) * (height - 2));
  let path = `M0 ${height}V${y(first.value)}`;
  for (const { at, value } of points.slice(1)) path += `H${x(at)}V${y(value)}`;
  return `${path}H${width}V${height}Z`;
}

const round = (n: number) => Math.round(n * 10) / 10;
