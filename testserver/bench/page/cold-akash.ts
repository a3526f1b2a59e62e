// A page that shows a provider's status as soon as it can, on our client.

import { createClient } from "../../../npm/dist/index.js";

declare const cold: { bridgeUrl: string; wasmUrl: string; provider: string };

const client = await createClient({ bridgeUrl: cold.bridgeUrl, wasmUrl: cold.wasmUrl });
const result = await client.getProviderStatus(cold.provider);
if (result.status === "error") throw result.error;
document.body.textContent = `${result.response.cluster?.leases?.active} leases`;
console.log(`first ${performance.now()}`);
