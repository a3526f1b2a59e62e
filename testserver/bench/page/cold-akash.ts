// A page that shows a provider's status as soon as it can, on our client.

import { createClient } from "../../../npm/dist/index.js";

declare const cold: {
  bridgeUrl: string;
  wasmUrl: string;
  worker: boolean;
  workerUrl: string;
  provider: string;
};

const { provider, bridgeUrl, wasmUrl, worker, workerUrl } = cold;
const client = await createClient({ bridgeUrl, wasmUrl, worker, workerUrl });
const result = await client.getProviderStatus(provider);
if (result.status === "error") throw result.error;
document.body.textContent = `${result.response.cluster?.leases?.active} leases`;
console.log(`first ${performance.now()}`);
