// Where a downloaded file goes: to the disk as it arrives, where the browser can do that.

interface FileHandle {
  createWritable(): Promise<WritableStream<Uint8Array>>;
}

type Picker = (options: { suggestedName: string }) => Promise<FileHandle>;

/** Where a file is written to. */
export interface Sink {
  readonly stream: WritableStream<Uint8Array>;
  /** Gives the file to the person when the stream has been closed. */
  readonly finish: () => void;
}

/**
 * Asks where to save a file. It must be called while a click is handled. Browsers without a
 * file picker get the file when it is complete: until then they hold it. Returns undefined
 * if the person cancels.
 */
export async function chooseSink(name: string): Promise<Sink | undefined> {
  const picker = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (!picker) return heldSink(name);
  try {
    const handle = await picker.call(window, { suggestedName: name });
    return { stream: await handle.createWritable(), finish() {} };
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return undefined;
    return heldSink(name);
  }
}

/** How much of a file is collected before it goes to a Blob, in bytes. */
const held = 4 << 20;

/** Collects a file in Blobs, which browsers may keep on the disk. */
function heldSink(name: string): Sink {
  const blobs: Blob[] = [];
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const stream = new WritableStream<Uint8Array>({
    write(chunk) {
      chunks.push(chunk as Uint8Array<ArrayBuffer>);
      size += chunk.length;
      if (size < held) return;
      blobs.push(new Blob(chunks));
      [chunks, size] = [[], 0];
    },
  });
  const finish = () => {
    const url = URL.createObjectURL(new Blob([...blobs, ...chunks]));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    // The browser has begun to read it by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  };
  return { stream, finish };
}

/** Returns the name under which to save a path, or a directory as an archive. */
export function nameOf(path: string, directory: boolean): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== "." && part !== "..");
  const last = parts.at(-1) ?? "files";
  return directory ? `${last}.tar` : last;
}
