// Starts the worker that searches.

import type { SearchPort } from "./searcher.js";

/** The worker's path, which web/bundle.mjs sets. */
declare const SEARCH_WORKER: string;

export function openWorker(): SearchPort {
  return new Worker(SEARCH_WORKER, { type: "module" }) as SearchPort;
}
