import type { ProviderError } from "../errors.js";
import type { Transport } from "../transport/transport.js";
import type { LogGap, StreamState } from "../types.js";

/**
 * A call as the engine takes it: checked, complete, and flat, so that it can cross
 * to a worker and, by flat, into Go.
 */
export interface EngineCall {
  bridge: string;
  provider: string;
  transport: Transport;
  /** In milliseconds; 0 for no bound. */
  timeout: number;
  retries: number;
  /** In milliseconds; 0 for none. */
  heartbeat: number;
  /** Whether a stream goes on over another connection when one breaks. */
  reconnect: boolean;
  insecure: boolean;
  skipVersion: boolean;
  owner?: string;
  /** In digits. */
  dseq?: string;
  gseq?: number;
  oseq?: number;
  bseq?: number;
  leaseProvider?: string;
  service?: string;
  replicas?: number[];
  follow?: boolean;
  tail?: number;
  /** In milliseconds. */
  restartTimeout?: number;
  /** As JSON. */
  manifest?: string;
  /** Names without commas, such as the hostnames to move. */
  names?: string[];
  token?: string;
  /** Gets a token that is not the one that a provider refused, "" if none did. */
  getToken?: (refused: string) => Promise<string>;
  certPem?: string;
  keyPem?: string;
}

/** The methods with one answer. */
export type CallMethod =
  | "getProviderStatus"
  | "restartServices"
  | "sendManifest"
  | "getManifest"
  | "hostnameMigrate"
  | "endpointMigrate";

/** The methods with many answers. */
export type StreamMethod =
  | "streamLogs"
  | "streamServiceStatus"
  | "streamProviderStatus"
  | "streamLeaseEvents";

/** What an engine says of a call: the result that the page gets, but for its error. */
export interface EngineResult {
  status: "success" | "error";
  attempts: number;
  response?: unknown;
  error?: ProviderError;
}

/**
 * Answers of a stream, which arrived together, as they lie in the module's memory
 * or in the buffers that a worker sent.
 */
export interface Batch {
  /**
   * The texts of the entries that are ASCII, and of the others: a string is kept in two
   * bytes for each character, and takes far longer to make, if one of them needs that.
   */
  ascii: Texts;
  utf8: Texts;
  /**
   * Three numbers for each entry: the index of its service in {@link services}, plus
   * {@link inAscii} where its text is there, and {@link continues} where its line goes
   * on in the next; its replica; and where its text ends, in UTF-16 code units from the
   * beginning of its group.
   */
  index: Uint32Array;
  /** The names of the services that occurred so far. */
  services: readonly string[];
}

/** Texts of entries, in their order. */
export interface Texts {
  /** All, one after the other, in UTF-8. */
  bytes: Uint8Array;
  /**
   * Two numbers for each group of entries: where its texts end in {@link bytes}, and how
   * many of these entries there are up to its end.
   */
  groups: Uint32Array;
}

/** Marks an entry whose text is among those that are ASCII. */
export const inAscii = 0x4000_0000;

/** Marks an entry whose line goes on in the next one. */
export const continues = 0x8000_0000;

/** Makes items of a batch, which is not valid any more when it returns. */
export type ReadBatch<T> = (batch: Batch) => T[];

/** What happens to a stream besides its items. */
export interface StreamEvents {
  /** The error is why the stream is not open, where it has to connect again. */
  state(state: StreamState, error?: ProviderError): void;
  gap(gap: LogGap): void;
}

/** A stream of an engine. */
export interface EngineStream<T> {
  /** Returns the next items, undefined at the end, and throws a ProviderError. */
  read(): Promise<T[] | undefined>;
  /** Ends the stream, whatever it is doing. A read that waits throws the error. */
  close(error: ProviderError): void;
}

/**
 * What makes the calls behind the API. Everything that crosses it can be copied or
 * transferred, but for getToken, so that an engine may live in a worker: batches
 * are read on this side of it.
 */
export interface Engine {
  call(method: CallMethod, call: EngineCall, stop: Stop): Promise<EngineResult>;
  open<T>(
    method: StreamMethod,
    call: EngineCall,
    read: ReadBatch<T>,
    events: StreamEvents,
  ): EngineStream<T>;
  /**
   * Gives up what is held for the client beyond its calls, all of which have been
   * ended. The next call gets it back.
   */
  release(): Promise<void>;
}

/** Lets a call be ended from outside. */
export interface Stop {
  /** Set by the engine: ends the call with the error, if it still goes on. */
  now?: (error: ProviderError) => void;
}
