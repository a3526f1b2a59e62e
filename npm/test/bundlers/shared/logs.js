import { createClient } from "akash-provider-web";

const client = await createClient({ bridgeUrl: "http://127.0.0.1:8080" });
for await (const { service, replica, message } of client.streamLogs({
  provider: "akash1provider…",
  lease: { owner: "akash1tenant…", dseq: "1234567" },
  auth: { type: "jwt", token: "eyJ…" },
})) {
  document.getElementById("logs").append(`${service}/${replica}: ${message}\n`);
}
document.getElementById("logs").dataset.over = "true";
