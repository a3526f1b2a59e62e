AkashProvider.createClient({ bridgeUrl: "http://127.0.0.1:8080", worker: true })
  .then((client) => client.getProviderStatus("akash1provider…"))
  .then(({ response }) => {
    document.getElementById("worker").textContent = `${response.cluster.leases.active} leases`;
  });
