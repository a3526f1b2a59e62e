import type { Bytes } from "../bytes.js";
import type { ProviderError } from "../errors.js";
import type { Transport } from "../transport/transport.js";
import type { LogGap, Route, StreamState } from "../types.js";

/**
 * A call in the engine's form: validated, complete, and flat, so that it can be sent
 * to a worker and, by flat, to Go.
 */
export interface EngineCall {
  bridge: string;
  /** The key or token with which the bridge lets the caller in. */
  bridgeKey?: string | undefined;
  /** The trace that the call belongs to. */
  traceparent?: string | undefined;
  /** "" if no provider answers the call. */
  provider: string;
  transport: Transport | "duplex";
  /** In milliseconds; 0 means no limit. */
  timeout: number;
  retries: number;
  /** In milliseconds; 0 means none. */
  heartbeat: number;
  /** Whether a stream continues on another connection if one breaks. */
  reconnect: boolean;
  insecure: boolean;
  skipVersion: boolean;
  owner?: string;
  /** In decimal digits. */
  dseq?: string;
  gseq?: number;
  oseq?: number;
  bseq?: number;
  leaseProvider?: string;
  service?: string;
  replicas?: number[];
  /** Of an attestation, whether it is to be bound to TLS. */
  follow?: boolean;
  tail?: number;
  /** In milliseconds. */
  restartTimeout?: number;
  /** As JSON. */
  manifest?: string;
  /** The parts of a command, as joinCommand makes it. */
  command?: string;
  tty?: boolean;
  stdin?: boolean;
  /** How much output may be sent and not be used, in bytes; 0 for any. */
  window?: number;
  /** Names without commas: the hostnames or endpoints to move, a nonce, or a state of leases. */
  names?: string[];
  token?: string;
  /** Gets a token other than the refused one, which is "" if none was refused. */
  getToken?: (refused: string) => Promise<string>;
  certPem?: string;
  keyPem?: string;
  /**
   * How long ago the request of the first attempt was sent, in milliseconds, if that was
   * before the module ran.
   */
  spent?: number | undefined;
}

/** The unary methods. */
export type CallMethod =
  | "getProviderStatus"
  | "restartServices"
  | "sendManifest"
  | "getManifest"
  | "hostnameMigrate"
  | "endpointMigrate"
  | "attestationQuote"
  | "inventorySnapshot"
  | "committedInventorySnapshot"
  | "listLeases"
  | "listProviders";

/** The streaming methods. */
export type StreamMethod =
  | "streamLogs"
  | "streamServiceStatus"
  | "streamProviderStatus"
  | "streamLeaseEvents"
  | "shell";

/** An engine's result of a call: the page's result except for its error. */
export interface EngineResult {
  status: "success" | "error";
  attempts: number;
  response?: unknown;
  error?: ProviderError;
}

/**
 * Items of a stream that arrived together, in the module's memory or in buffers from a
 * worker.
 */
export interface Batch {
  /**
   * The texts of the entries, ASCII and others separately: if one character needs
   * it, a string uses two bytes per character and takes much longer to create.
   */
  ascii: Texts;
  utf8: Texts;
  /**
   * Three numbers per entry. First, the index of its service in {@link services},
   * plus
   * {@link inAscii} if its text is in the ASCII texts, and {@link continues} if its line
   * continues in the next entry. Second, its replica. Third, the end of its text, in UTF-16
   * code units from the start of its group.
   */
  index: Uint32Array;
  /** The names of all services so far. */
  services: readonly string[];
}

/** Texts of entries, in order. */
export interface Texts {
  /** The concatenated texts in UTF-8. */
  bytes: Uint8Array;
  /**
   * Two numbers per group of entries: the end of its texts in {@link bytes}, and the
   * number of entries up to its end.
   */
  groups: Uint32Array;
}

/** Marks an entry whose text is in the ASCII texts. */
export const inAscii = 0x4000_0000;

/** Marks an entry whose line continues in the next entry. */
export const continues = 0x8000_0000;

/** Creates items from a batch. The batch is invalid after it returns. */
export type ReadBatch<T> = (batch: Batch) => T[];

/** Events of a stream besides items. */
export interface StreamEvents {
  /** The error says why the stream is not open, if it must connect again. */
  state(state: StreamState, error?: ProviderError): void;
  gap(gap: LogGap): void;
  /** How the provider was reached, whenever a connection has been made. */
  route?(route: Route): void;
  /** When the next connection is made, in milliseconds since 1970, after one has failed. */
  retry?(at: number): void;
}

/** An engine's stream. */
export interface EngineStream<T> {
  /** Returns the next items, or undefined at the end. Throws a ProviderError. */
  read(): Promise<T[] | undefined>;
  /** Sends a message after the request, once that has been sent, on a stream that can. */
  send(message: Bytes): void;
  /** Connects at once, if the stream waits before it connects again. */
  hurry(): void;
  /** Ends the stream. A pending read throws the error. */
  close(error: ProviderError): void;
}

/**
 * The implementation of calls behind the API. All data that it exchanges can be copied
 * or transferred, except for getToken, so an engine may run in a worker. Batches are
 * read outside of it.
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
   * Releases the resources held for the client, whose calls have all ended. The next
   * call acquires them again.
   */
  release(): Promise<void>;
}

/** Ends a call from outside. */
export interface Stop {
  /** Set by the engine: ends the call with the error if it is still open. */
  now?: (error: ProviderError) => void;
}
