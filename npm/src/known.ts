// The names of all options, to detect misspelled ones.
import type {
  AttestationOptions,
  ClientOptions,
  CommittedInventoryOptions,
  DiscoverOptions,
  DownloadOptions,
  EndpointMigrateOptions,
  ExecOptions,
  GetManifestOptions,
  HostnameMigrateOptions,
  InventoryOptions,
  LeaseEventOptions,
  ListLeasesOptions,
  ListProvidersOptions,
  LogOptions,
  RestartOptions,
  SendManifestOptions,
  ServiceFilter,
  ServiceStatusOptions,
  ShellOptions,
  UploadOptions,
} from "./options.js";

/** All names of T's members, including those of each member of a union. */
type Names<T> = Record<T extends unknown ? keyof T : never, true>;

const clientOptions: Names<ClientOptions> = {
  bridgeUrl: true,
  bridgeKey: true,
  traceparent: true,
  timeoutMs: true,
  retries: true,
  heartbeatMs: true,
  transport: true,
  wasmUrl: true,
  onProgress: true,
  wasmModule: true,
  worker: true,
  workerUrl: true,
};

/** The options of all calls: applications often use one object for several calls. */
const callOptions: Names<
  | AttestationOptions
  | DiscoverOptions
  | CommittedInventoryOptions
  | DownloadOptions
  | ExecOptions
  | EndpointMigrateOptions
  | GetManifestOptions
  | HostnameMigrateOptions
  | InventoryOptions
  | LeaseEventOptions
  | ListLeasesOptions
  | ListProvidersOptions
  | LogOptions
  | RestartOptions
  | SendManifestOptions
  | ServiceStatusOptions
  | ShellOptions
  | UploadOptions
> = {
  provider: true,
  lease: true,
  owner: true,
  state: true,
  dseq: true,
  filter: true,
  service: true,
  follow: true,
  tail: true,
  manifest: true,
  hostnames: true,
  endpoints: true,
  destination: true,
  nonce: true,
  hash: true,
  bindTls: true,
  tlsPublicKey: true,
  auth: true,
  timeoutMs: true,
  retries: true,
  heartbeatMs: true,
  transport: true,
  reconnect: true,
  insecure: true,
  checkVersion: true,
  concurrency: true,
  signal: true,
  replica: true,
  command: true,
  tty: true,
  stdin: true,
  columns: true,
  rows: true,
  maxOutputBytes: true,
  output: true,
  path: true,
  directory: true,
  onProgress: true,
  data: true,
  size: true,
  mode: true,
  onState: true,
  onGap: true,
};

const filterOptions: Names<ServiceFilter> = { name: true, replicas: true };

/** knownClientOptions throws a TypeError for an unknown option of createClient. */
export function knownClientOptions(options: object): void {
  const elsewhere = "is an option of calls, not of createClient";
  known(options, clientOptions, "createClient has no option", callOptions, elsewhere);
}

/** knownCallOptions throws a TypeError for an unknown option of calls. */
export function knownCallOptions(options: object): void {
  const elsewhere = "is an option of createClient, not of calls";
  known(options, callOptions, "calls have no option", clientOptions, elsewhere);
}

/** knownFilter throws a TypeError for an unknown member of a filter. */
export function knownFilter(filter: object): void {
  known(filter, filterOptions, "filter has no");
}

function known(
  options: object,
  names: object,
  problem: string,
  others: object = {},
  elsewhere = "",
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(names, name)) continue;
    if (Object.hasOwn(others, name)) throw new TypeError(`${name} ${elsewhere}`);
    const all = Object.keys(names);
    const meant = closest(name, all);
    throw new TypeError(
      `${problem} ${name}: ${meant ? `did you mean ${meant}?` : `there are ${all.join(", ")}`}`,
    );
  }
}

/**
 * closest returns the known name closest to a misspelled one, or undefined if none is
 * close.
 */
function closest(wrong: string, names: string[]): string | undefined {
  const beginning = names.find((name) => name.startsWith(wrong));
  if (beginning) return beginning;
  const [best] = names
    .map((name) => ({ name, edits: edits(wrong.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const near = Math.max(2, Math.ceil(wrong.length / 2));
  return best && best.edits <= near ? best.name : undefined;
}

/** edits returns the Levenshtein distance of two words. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const changed = (row[j] as number) + (letter === to[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row.at(-1) as number;
}
