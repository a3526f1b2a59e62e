/** Where to call, and for which lease: what the driver knows of a stage. */
export interface Source {
  bridgeUrl: string;
  wasmUrl: string;
  workerUrl: string;
  provider: string;
  lease: { owner: string; dseq: number; gseq: number; oseq: number };
  jwt: string;
}

/** One line of a log, as every client must deliver it. */
export interface Entry {
  service: string;
  replica: number;
  message: string;
}

/** Counts what arrives, so that the clients can be compared in that too. */
export class Tally {
  lines = 0;
  chars = 0;
  replicas = 0;

  add(entry: Entry): void {
    this.lines++;
    this.chars += entry.message.length;
    this.replicas += entry.replica;
  }
}

/** The headers by which the bridge knows the provider, for clients that are not ours. */
export function metadata(source: Source, lease: boolean): Record<string, string> {
  return {
    "akash-provider": source.provider,
    ...(lease && { authorization: `Bearer ${source.jwt}` }),
  };
}
