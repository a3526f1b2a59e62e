// The time in a line, and how it is shown.

/** As it is in the line, or in a column of its own. */
export type TimeZoneShown = "written" | "local" | "utc";

export interface TimeInLine {
  /** Milliseconds since 1970. */
  ms: number;
  /** How many characters at the line's beginning it takes; 0 if it is elsewhere. */
  prefix: number;
}

const looked = 600;

const iso = String.raw`(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?`;
const atStart = new RegExp(String.raw`^\[?${iso}\]?:?\s*`);
const named = new RegExp(
  String.raw`(?:"(?:time|ts|timestamp|@timestamp|@t|datetime|date)"\s*:\s*"?|(?:^|\s)(?:time|ts|timestamp)=["']?)(?:${iso}|(\d{10})(?:\.(\d{1,9}))?(\d{3})?(?![\d.]))`,
);

/**
 * Finds the time that a line says it is from. One without a zone is taken as UTC, as the
 * clocks of containers are.
 */
export function findTime(line: string): TimeInLine | undefined {
  const head = line.slice(0, looked);
  const start = atStart.exec(head);
  if (start) {
    const ms = fromParts(start);
    return ms === undefined ? undefined : { ms, prefix: start[0].length };
  }
  const inside = named.exec(head);
  if (!inside) return undefined;
  const [seconds, fraction, millis] = inside.slice(9);
  const ms = seconds
    ? Number(seconds) * 1000 + Number(millis ?? 0) + Math.floor(Number(`0.${fraction ?? 0}`) * 1000)
    : fromParts(inside);
  return ms === undefined ? undefined : { ms, prefix: 0 };
}

function fromParts(match: RegExpExecArray): number | undefined {
  const [, year, month, day, hour, minute, second, fraction = "", zone = "Z"] = match;
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const utc = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    ms,
  );
  // A month 13 would be carried into the next year.
  if (new Date(utc).getUTCMonth() !== Number(month) - 1) return undefined;
  const offset = /([+-])(\d\d):?(\d\d)/.exec(zone);
  if (!offset) return utc;
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return utc - (offset[1] === "-" ? -minutes : minutes) * 60_000;
}

const two = (n: number) => String(n).padStart(2, "0");

/** Returns a time as text that sorts: 2026-11-29 16:17:13.123, with a Z if it is UTC. */
export function formatTime(ms: number, zone: "local" | "utc"): string {
  const date = new Date(ms);
  if (zone === "utc") return date.toISOString().replace("T", " ");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
