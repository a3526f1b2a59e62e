// A page that shows a provider's status as soon as it can, on our client.

import { createClient } from "../../../npm/dist/index.js";

declare const cold: { bridgeUrl: string; worker: boolean; workerUrl: string; provider: string };

/** The page begins to load it before its scripts. */
declare const wasmModule: Promise<WebAssembly.Module>;

const { provider, bridgeUrl, worker, workerUrl } = cold;
const client = await createClient({ bridgeUrl, wasmModule, worker, workerUrl });
const result = await client.getProviderStatus(provider);
if (result.status === "error") throw result.error;
document.body.textContent = `${result.response.cluster?.leases?.active} leases`;
console.log(`first ${performance.now()}`);
