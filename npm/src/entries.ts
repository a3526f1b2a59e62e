import { type Batch, continues } from "./engine.js";
import type { LogEntry } from "./types.js";

/** Made once, and not before it is needed. A byte order mark is text like any other. */
let decoder: TextDecoder | undefined;

/**
 * logEntries makes the lines of a batch. The lines of a group share one decoded
 * text, of about 4 KiB: that much memory a line keeps which is kept.
 */
export function logEntries({ text, index, groups, services }: Batch): LogEntry[] {
  decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
  const entries = new Array<LogEntry>(index.length / 3);
  for (let group = 0, byte = 0, i = 0, at = 0; group < groups.length; group += 2) {
    const endByte = groups[group] as number;
    const endEntry = groups[group + 1] as number;
    const shared = decoder.decode(text.subarray(byte, endByte));
    byte = endByte;
    for (let start = 0; i < endEntry; i++, at += 3) {
      const id = index[at] as number;
      const end = index[at + 2] as number;
      const entry: LogEntry = {
        service: services[id & ~continues] as string,
        replica: index[at + 1] as number,
        message: shared.substring(start, end),
      };
      if (id >= continues) entry.continues = true;
      entries[i] = entry;
      start = end;
    }
  }
  return entries;
}

/** jsonItems makes the messages of a batch, each of which is JSON. */
export function jsonItems(batch: Batch): unknown[] {
  return logEntries(batch).map(({ message }) => JSON.parse(message));
}
