// What each runtime runs: a provider's status, and its log while lines are written. It
// prints the number of leases, and then each line.

/** Runs with a function that creates a client, and calls print with each line. */
export async function follow(createClient, { bridgeUrl, provider, lease, token }, print) {
  const client = await createClient({ bridgeUrl });
  const { response, error } = await client.getProviderStatus(provider);
  if (error) throw error;
  print(`${response.cluster.leases.active} leases`);
  const auth = { type: "jwt", token };
  for await (const line of client.streamLogs({ provider, lease, auth, follow: true })) {
    print(`${line.service}/${line.replica}: ${line.message}`);
    if (line.message === "last") break;
  }
  await client.cleanupConnections();
}
