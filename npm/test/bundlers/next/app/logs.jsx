"use client";
import { createClient } from "akash-provider-web";
import { AkashClientProvider, useLogs } from "akash-provider-web/react";

const makeClient = () => createClient({ bridgeUrl: "http://127.0.0.1:8080" });

export function Logs() {
  return (
    <AkashClientProvider client={makeClient}>
      <Lines />
    </AkashClientProvider>
  );
}

function Lines() {
  const { lines, state, error } = useLogs({
    provider: "akash1provider…",
    lease: { owner: "akash1tenant…", dseq: "1234567" },
    auth: { type: "jwt", token: "eyJ…" },
    follow: false,
  });
  return (
    <pre id="logs" data-over={(state === "ended" && !error) || undefined}>
      {lines.map(({ service, replica, message }) => `${service}/${replica}: ${message}\n`)}
    </pre>
  );
}
