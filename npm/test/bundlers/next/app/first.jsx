"use client";
import { createClient } from "akash-provider-web";
import { useEffect, useState } from "react";

async function countLeases() {
  const client = await createClient({ bridgeUrl: "http://127.0.0.1:8080" });
  const { response } = await client.getProviderStatus("akash1provider…");
  return response.cluster.leases.active;
}

export function First() {
  const [leases, setLeases] = useState();
  useEffect(() => void countLeases().then(setLeases), []);
  return <p id="first">{leases !== undefined && `${leases} leases`}</p>;
}
