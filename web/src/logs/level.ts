// How serious a line is, as far as it says.

import { hasControls, plainText } from "./ansi.js";

/** From the least serious to the most; "" for lines that do not say. */
export const levels = ["", "trace", "debug", "info", "warn", "error", "fatal"] as const;
export type Level = (typeof levels)[number];

// Longer lines are read up to here.
const looked = 1024;

const words: Partial<Record<string, Level>> = Object.assign(Object.create(null), {
  trace: "trace",
  trc: "trace",
  verbose: "trace",
  debug: "debug",
  dbg: "debug",
  info: "info",
  inf: "info",
  information: "info",
  notice: "info",
  warn: "warn",
  wrn: "warn",
  warning: "warn",
  error: "error",
  err: "error",
  eror: "error",
  severe: "error",
  fatal: "fatal",
  ftl: "fatal",
  crit: "fatal",
  critical: "fatal",
  panic: "fatal",
  alert: "fatal",
  emerg: "fatal",
  emergency: "fatal",
} satisfies Record<string, Level>);

const inJson =
  /"(?:level|lvl|severity|loglevel|levelname|log\.level|@l)"\s*:\s*(?:"([a-z]+)"|(\d+))/i;
const inLogfmt = /(?:^|\s)(?:level|lvl|severity|loglevel)=["']?([a-z]+)/i;
// Kubernetes' klog: I1129 16:17:13.123456
const inKlog = /^([IWEF])\d{4} \d\d:\d\d:\d\d/;
// In capitals, in brackets, or before a colon, and not far from the beginning.
const inText =
  /(?:^|[^\w./-])(?:(TRACE|VERBOSE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRIT|CRITICAL|PANIC|ALERT|EMERG|TRC|DBG|INF|WRN|ERR|FTL)(?![\w/-]|\.\w)|[[(<](trace|debug|info|notice|warn|warning|error|err|fatal|crit|critical|panic|alert|emerg)[\])>])|^(?:[^\s:]+\s){0,2}(trace|debug|info|warn|warning|error|fatal|critical|panic):/i;
// Right after a time.
const afterTime =
  /^\[?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\]?\s+([a-z]{3,11})\b/i;
const textLooked = 160;

const ofKlog: Record<string, Level> = { I: "info", W: "warn", E: "error", F: "fatal" };

/** Recognises the level in plain text, logfmt, JSON and klog. */
export function levelOf(line: string): Level {
  let head = line.length > looked ? line.slice(0, looked) : line;
  if (hasControls(head)) head = plainText(head);
  if (head.trimStart().startsWith("{")) {
    const json = inJson.exec(head);
    if (!json) return "";
    return json[1] ? (words[json[1].toLowerCase()] ?? "") : ofNumber(Number(json[2]));
  }
  const logfmt = inLogfmt.exec(head);
  if (logfmt) return words[logfmt[1]?.toLowerCase() ?? ""] ?? "";
  const klog = inKlog.exec(head);
  if (klog) return ofKlog[klog[1] ?? ""] ?? "";
  const timed = words[afterTime.exec(head)?.[1]?.toLowerCase() ?? ""];
  if (timed) return timed;
  const text = inText.exec(head.slice(0, textLooked));
  if (!text) return "";
  return words[(text[1] ?? text[2] ?? text[3] ?? "").toLowerCase()] ?? "";
}

/** Numbers are those of pino and Bunyan, from 10 on, or of syslog, up to 7. */
function ofNumber(n: number): Level {
  if (n < 8)
    return n <= 2 ? "fatal" : n === 3 ? "error" : n === 4 ? "warn" : n < 7 ? "info" : "debug";
  return levels[Math.min(6, Math.floor(n / 10))] ?? "";
}

/** Whether a line continues the one before it, as the lines of a stack trace do. */
export function continuesEvent(line: string): boolean {
  return /^(?:\s+\S|Caused by:|Traceback )/.test(line);
}
