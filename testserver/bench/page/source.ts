/** The bridge, provider and lease to use, from the driver's stage. */
export interface Source {
  bridgeUrl: string;
  wasmUrl: string;
  workerUrl: string;
  provider: string;
  lease: { owner: string; dseq: number; gseq: number; oseq: number };
  jwt: string;
}

/** A log line, as every client must deliver it. */
export interface Entry {
  service: string;
  replica: number;
  message: string;
}

/** Counts received lines, to compare the clients' results, too. */
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

/** The headers that select the provider, for clients other than ours. */
export function metadata(source: Source, lease: boolean): Record<string, string> {
  return {
    "akash-provider": source.provider,
    ...(lease && { authorization: `Bearer ${source.jwt}` }),
  };
}
