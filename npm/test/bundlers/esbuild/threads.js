import { createClient } from "akash-provider-web";
import wasmUrl from "akash-provider-web/akash-provider-web.wasm";

const client = await createClient({ bridgeUrl: "http://127.0.0.1:8080", wasmUrl, worker: true });
const { response } = await client.getProviderStatus("akash1provider…");
document.getElementById("worker").textContent = `${response.cluster.leases.active} leases`;
