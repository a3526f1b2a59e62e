import { createClient } from "akash-provider-web";

const client = await createClient({ bridgeUrl: "http://127.0.0.1:8080", worker: true });
const { response } = await client.getProviderStatus("akash1provider…");
document.getElementById("worker").textContent = `${response.cluster.leases.active} leases`;
