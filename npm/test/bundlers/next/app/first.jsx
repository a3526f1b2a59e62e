"use client";
import { createClient } from "akash-provider-web";
import { useEffect, useState } from "react";

async function countLeases(worker) {
  const client = await createClient({ bridgeUrl: "http://127.0.0.1:8080", worker });
  const { response } = await client.getProviderStatus("akash1provider…");
  return response.cluster.leases.active;
}

export function First({ id, worker }) {
  const [leases, setLeases] = useState();
  useEffect(() => void countLeases(worker).then(setLeases), [worker]);
  return <p id={id}>{leases !== undefined && `${leases} leases`}</p>;
}
