AkashProvider.createClient({ bridgeUrl: "http://127.0.0.1:8080" }).then(async (client) => {
  for await (const { service, replica, message } of client.streamLogs({
    provider: "akash1provider…",
    lease: { owner: "akash1tenant…", dseq: "1234567" },
    auth: { type: "jwt", token: "eyJ…" },
  })) {
    document.getElementById("logs").append(`${service}/${replica}: ${message}\n`);
  }
  document.getElementById("logs").dataset.over = "true";
});
