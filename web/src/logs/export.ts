// Writes a log to a file, piece by piece.

import { plainText } from "./ansi.js";
import type { ShownChunk } from "./rows.js";
import { type LogStore, sourceName } from "./store.js";
import { formatTime } from "./time.js";
import { turn } from "./turn.js";

/** About how long a piece is, in characters. */
const pieceChars = 262_144;

/** How many pieces a Blob is made of, so that few strings are in memory at once. */
const piecesPerBlob = 16;

/** The part of the File System Access API that is used. */
interface SavePicker {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<{
    createWritable(): Promise<{
      write(text: string): Promise<void>;
      close(): Promise<void>;
      abort(): Promise<void>;
    }>;
  }>;
}

/** Returns the text of lines in pieces: each line with its source, and marks as comments. */
export async function* pieces(
  store: LogStore,
  shown: readonly ShownChunk[],
  progress: (lines: number) => void = () => {},
): AsyncGenerator<string> {
  let text = "";
  let written = 0;
  for (const { chunk, lines, count } of shown) {
    for (let n = 0; n < count; n++) {
      const i = lines ? (lines[n] as number) : n;
      const source = store.sources[chunk.source(i)];
      const name = source ? sourceName(source) : "";
      const plain = plainText(chunk.text(i));
      if (chunk.isMark(i)) {
        text += `# ${formatTime(chunk.time(i), "utc")} ${name && `${name}: `}${plain}\n`;
      } else text += `${name} ${plain}\n`;
      if (text.length < pieceChars) continue;
      yield text;
      text = "";
      progress(written + n + 1);
      await turn();
    }
    written += count;
  }
  if (text) yield text;
  progress(written);
}

/** Saves a file of text. It reports whether that was done: the user can decide otherwise. */
export async function save(name: string, text: AsyncIterable<string>): Promise<boolean> {
  const { showSaveFilePicker } = globalThis as SavePicker;
  if (!showSaveFilePicker) {
    download(name, await toBlob(text));
    return true;
  }
  let file: Awaited<ReturnType<typeof showSaveFilePicker>>;
  try {
    file = await showSaveFilePicker({ suggestedName: name });
  } catch (error) {
    if ((error as Error).name === "AbortError") return false;
    throw error;
  }
  const writable = await file.createWritable();
  try {
    for await (const piece of text) await writable.write(piece);
    await writable.close();
  } catch (error) {
    await writable.abort().catch(() => {});
    throw error;
  }
  return true;
}

/** Collects text in Blobs, which browsers keep outside of the page's memory. */
export async function toBlob(text: AsyncIterable<string>): Promise<Blob> {
  const type = "text/plain;charset=utf-8";
  const blobs: Blob[] = [];
  let waiting: string[] = [];
  for await (const piece of text) {
    waiting.push(piece);
    if (waiting.length < piecesPerBlob) continue;
    blobs.push(new Blob(waiting, { type }));
    waiting = [];
  }
  return new Blob([...blobs, ...waiting], { type });
}

function download(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // Once the download has begun, it no longer needs the URL.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
