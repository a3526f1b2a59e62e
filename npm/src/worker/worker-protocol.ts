// What a page and its worker say to each other, over one port. Calls and streams
// have numbers, which the page gives and both sides name them by.

import type {
  Batch,
  CallMethod,
  EngineCall,
  EngineResult,
  StreamMethod,
} from "../engine/engine.js";
import type { ErrorDetails } from "../errors.js";
import type { LogGap, StreamState } from "../types.js";

/** The name of our workers, by which the script for script tags knows that it is in one. */
export const workerName = "akash-provider-web";

/**
 * How many batches of a stream may be on their way to a page that has not read them,
 * beyond which the worker does not read the bridge's answer any further. One that is
 * read and one that is there when that is done keep both sides busy.
 */
export const window = 4;

/** A call as it crosses: its tokens are asked for, where renewable is set. */
export type WorkerCall = Omit<EngineCall, "getToken"> & { renewable?: boolean };

/** What comes with the port: how the page can tell that the worker is gone. */
export interface Greeting {
  /** The name of the lock that the worker is to hold while it lives, if there are locks. */
  lock: string | undefined;
}

/** What the page says. */
export type Order =
  /** Start a module, to be named by the number, and report loaded or failed. */
  | { do: "load"; id: number; module: WebAssembly.Module }
  /** Make a call, and report its result. */
  | { do: "call"; id: number; module: number; method: CallMethod; call: WorkerCall }
  /** Open a stream, and report what comes. */
  | { do: "open"; id: number; module: number; method: StreamMethod; call: WorkerCall }
  /** Another batch of a stream may come: one has been read, and this is what it came in. */
  | { do: "more"; id: number; room: ArrayBuffer }
  /** End a call, which then reports its result, or a stream, which reports no more. */
  | { do: "end"; id: number; error: ErrorDetails }
  /** The token that was asked for. */
  | { do: "token"; ask: number; token: string }
  /** Why there is none. */
  | { do: "token"; ask: number; failure: string };

/** What the worker says. */
export type Report =
  /** It is there, and holds its lock if it was given one. */
  | { id: 0; ready: true }
  | { id: number; loaded: true }
  | { id: number; result: WorkerResult }
  | { id: number; batch: Parcel }
  | { id: number; state: StreamState; error?: ErrorDetails | undefined }
  | { id: number; gap: LogGap }
  /** A module did not load, or a stream has failed. */
  | { id: number; failed: ErrorDetails }
  /** A stream has ended. */
  | { id: number; ended: true }
  | Question;

/** A result of a call, as it crosses. */
export type WorkerResult = Omit<EngineResult, "error"> & { error?: ErrorDetails };

/** That a call needs a token, other than the one that was refused. */
export interface Question {
  id: number;
  /** The number of the question. */
  ask: number;
  refused: string;
}

/** A batch in one buffer: numbers, and after them texts. */
export interface Parcel {
  data: ArrayBuffer;
  /** How many numbers there are in the index and in the groups of both kinds of texts. */
  numbers: [index: number, ascii: number, utf8: number];
  /** How long the texts of both kinds are, in bytes. */
  ascii: number;
  utf8: number;
  /** The names of services that occur for the first time. */
  names?: string[];
}

/** The least that is made for parcels, in bytes. */
const smallest = 4 * 1024;

/**
 * Rooms keeps what parcels came in for others. What a page leaves to its garbage
 * collector instead, it frees many at a time, in which it does nothing else for long.
 */
export class Rooms {
  readonly #free: ArrayBuffer[] = [];

  /** take returns room for so many bytes, and not many times as many. */
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

/** pack copies a batch into a parcel; known tells how many names the page has. */
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

/** unpack returns the batch in a parcel; services are all names, the new ones included. */
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
