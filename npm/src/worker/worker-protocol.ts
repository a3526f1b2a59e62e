// The messages between a page and its worker, sent over one port. Calls and streams
// have numbers, which the page assigns.

import type { Bytes } from "../bytes.js";
import type {
  Batch,
  CallMethod,
  EngineCall,
  EngineResult,
  StreamMethod,
} from "../engine/engine.js";
import type { NetworkEvent } from "../engine/network.js";
import type { ErrorDetails } from "../errors.js";
import type { LogGap, Route, StreamState } from "../types.js";

/**
 * The name of the package's workers, by which the script for script tags detects that it
 * runs in one.
 */
export const workerName = "akash-provider-web";

/**
 * How many batches of a stream may be sent and unread. Beyond that, the worker does
 * not read the bridge's answer. With one being read and one ready, both sides stay
 * busy.
 */
export const window = 4;

/**
 * A call in the form that is sent to the worker. If renewable is set, the worker requests
 * tokens.
 */
export type WorkerCall = Omit<EngineCall, "getToken"> & { renewable?: boolean };

/** The data sent with the port, which lets the page detect the worker's end. */
export interface Greeting {
  /** The name of the lock that the worker holds while it runs, if locks are available. */
  lock: string | undefined;
}

/** The messages from the page. */
export type Order =
  /** A module with the given number, for calls that came before and come after. */
  | { do: "load"; id: number; module: WebAssembly.Module }
  /** Why there is none. */
  | { do: "load"; id: number; failure: ErrorDetails }
  /** Make a call, and report its result. */
  | { do: "call"; id: number; module: number; method: CallMethod; call: WorkerCall }
  /** Open a stream, and report its batches and events. */
  | { do: "open"; id: number; module: number; method: StreamMethod; call: WorkerCall }
  /** Send a message after a stream's request. */
  | { do: "send"; id: number; message: Bytes }
  /**
   * Another batch of a stream may be sent: one has been read, whose buffer is returned.
   */
  | { do: "more"; id: number; room: ArrayBuffer }
  /** Connect a stream at once, if it waits before it connects again. */
  | { do: "hurry"; id: number }
  /**
   * End a call, which then reports its result, or a stream, which reports nothing more.
   */
  | { do: "end"; id: number; error: ErrorDetails }
  /** The network is gone, or back. */
  | { do: "tell"; network: NetworkEvent }
  /** The requested token. */
  | { do: "token"; ask: number; token: string }
  /** Why there is no token. */
  | { do: "token"; ask: number; failure: string };

/** The messages from the worker. */
export type Report =
  /** The worker is ready, and holds its lock if it was given one. */
  | { id: 0; ready: true }
  | { id: number; result: WorkerResult }
  | { id: number; batch: Parcel }
  | { id: number; state: StreamState; error?: ErrorDetails | undefined }
  | { id: number; gap: LogGap }
  | { id: number; route: Route }
  | { id: number; retry: number }
  /** A stream failed. */
  | { id: number; failed: ErrorDetails }
  /** A stream has ended. */
  | { id: number; ended: true }
  | Question;

/** The result of a call in the form that is sent to the page. */
export type WorkerResult = Omit<EngineResult, "error"> & { error?: ErrorDetails };

/** A call needs a token, other than the refused one. */
export interface Question {
  id: number;
  /** The number of the request. */
  ask: number;
  refused: string;
}

/** A batch in one buffer: numbers, followed by texts. */
export interface Parcel {
  data: ArrayBuffer;
  /** The number of numbers in the index, and in the groups of both kinds of texts. */
  numbers: [index: number, ascii: number, utf8: number];
  /** The sizes of both kinds of texts, in bytes. */
  ascii: number;
  utf8: number;
  /** The names of new services. */
  names?: string[];
}

/** The minimum size of a buffer, in bytes. */
const smallest = 4 * 1024;

/**
 * Rooms reuses the buffers of batches. A page that leaves them to its garbage
 * collector is blocked while many are freed at once.
 */
export class Rooms {
  readonly #free: ArrayBuffer[] = [];

  /** take returns a buffer of at least the given size, but not much larger. */
  take(size: number): ArrayBuffer {
    const room = this.#free.pop();
    if (room && size <= room.byteLength && room.byteLength <= Math.max(smallest, 8 * size)) {
      return room;
    }
    return new ArrayBuffer(Math.max(smallest, 2 ** Math.ceil(Math.log2(size))));
  }

  give(room: ArrayBuffer): void {
    this.#free.push(room);
  }
}

/** pack copies a batch into a parcel. known is the number of names that the page has. */
export function pack({ index, ascii, utf8, services }: Batch, known: number, rooms: Rooms): Parcel {
  const numbers: Parcel["numbers"] = [index.length, ascii.groups.length, utf8.groups.length];
  const head = numbers[0] + numbers[1] + numbers[2];
  const data = rooms.take(4 * head + ascii.bytes.length + utf8.bytes.length);
  const first = new Uint32Array(data, 0, head);
  first.set(index);
  first.set(ascii.groups, numbers[0]);
  first.set(utf8.groups, numbers[0] + numbers[1]);
  const last = new Uint8Array(data, 4 * head);
  last.set(ascii.bytes);
  last.set(utf8.bytes, ascii.bytes.length);
  const parcel: Parcel = { data, numbers, ascii: ascii.bytes.length, utf8: utf8.bytes.length };
  if (services.length > known) parcel.names = services.slice(known);
  return parcel;
}

/** unpack returns the batch in a parcel. services are all names, including new ones. */
export function unpack({ data, numbers, ascii, utf8 }: Parcel, services: readonly string[]): Batch {
  let at = 0;
  const next = (length: number) => {
    const array = new Uint32Array(data, 4 * at, length);
    at += length;
    return array;
  };
  const [index, plain, others] = [next(numbers[0]), next(numbers[1]), next(numbers[2])];
  return {
    ascii: { bytes: new Uint8Array(data, 4 * at, ascii), groups: plain },
    utf8: { bytes: new Uint8Array(data, 4 * at + ascii, utf8), groups: others },
    index,
    services,
  };
}
