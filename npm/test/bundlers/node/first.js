import { createClient } from "akash-provider-web";

const client = await createClient({ bridgeUrl: "http://127.0.0.1:8080" });
const { response } = await client.getProviderStatus("akash1provider…");
console.log(`${response.cluster.leases.active} leases`);
