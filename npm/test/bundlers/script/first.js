AkashProvider.createClient({ bridgeUrl: "http://127.0.0.1:8080" })
  .then((client) => client.getProviderStatus("akash1provider…"))
  .then(({ response }) => {
    document.getElementById("first").textContent = `${response.cluster.leases.active} leases`;
  });
