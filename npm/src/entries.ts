import { type Batch, continues } from "./engine.js";
import type { LogEntry } from "./types.js";

/** logEntries makes the lines of a batch. */
export function logEntries({ text, index, services }: Batch): LogEntry[] {
  const entries = new Array<LogEntry>(index.length / 3);
  for (let i = 0, at = 0, start = 0; i < entries.length; i++, at += 3) {
    const id = index[at] as number;
    const end = index[at + 2] as number;
    const entry: LogEntry = {
      service: services[id & ~continues] as string,
      replica: index[at + 1] as number,
      message: text.substring(start, end),
    };
    if (id >= continues) entry.continues = true;
    entries[i] = entry;
    start = end;
  }
  return entries;
}

/** jsonItems makes the messages of a batch, each of which is JSON. */
export function jsonItems({ text, index }: Batch): unknown[] {
  const items: unknown[] = [];
  for (let at = 2, start = 0; at < index.length; at += 3) {
    const end = index[at] as number;
    items.push(JSON.parse(text.substring(start, end)));
    start = end;
  }
  return items;
}
