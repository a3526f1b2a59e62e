import { createClient } from "akash-provider-web";

export const dynamic = "force-dynamic";

export default async function Page() {
  const client = await createClient({ bridgeUrl: "http://127.0.0.1:8080" });
  const { response } = await client.getProviderStatus("akash1provider…");
  return <p id="first">{`${response.cluster.leases.active} leases`}</p>;
}
