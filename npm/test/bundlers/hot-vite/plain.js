import { createClient } from "akash-provider-web";

const client = createClient({ bridgeUrl: "http://127.0.0.1:8080" });

async function follow() {
  const logs = document.getElementById("logs");
  document.getElementById("version").textContent = "version 1";
  logs.textContent = "";
  const stream = (await client).streamLogs({
    provider: "akash1provider…",
    lease: { owner: "akash1tenant…", dseq: "1234567" },
    auth: { type: "jwt", token: "eyJ…" },
    follow: true,
  });
  try {
    for await (const { service, replica, message } of stream) {
      logs.append(`${service}/${replica}: ${message}\n`);
    }
  } catch (error) {
    if (error.code !== "CANCELLED") throw error;
  }
}

// Not awaited here: a module that never ends is never replaced.
follow();

import.meta.hot?.accept();
import.meta.hot?.dispose(async () => {
  await (await client).cleanupConnections();
});
