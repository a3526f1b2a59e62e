"use client";
import { createClient } from "akash-provider-web";
import { useEffect, useState } from "react";

async function readLogs(signal, append) {
  const client = await createClient({ bridgeUrl: "http://127.0.0.1:8080" });
  for await (const entries of client
    .streamLogs({
      provider: "akash1provider…",
      lease: { owner: "akash1tenant…", dseq: "1234567" },
      auth: { type: "jwt", token: "eyJ…" },
      signal,
    })
    .batches()) {
    append(entries.map(({ service, replica, message }) => `${service}/${replica}: ${message}\n`));
  }
}

export function Logs() {
  const [lines, setLines] = useState([]);
  const [over, setOver] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    const append = (more) => setLines((lines) => [...lines, ...more]);
    readLogs(stop.signal, append).then(
      () => setOver(true),
      () => {},
    );
    return () => stop.abort();
  }, []);
  return (
    <pre id="logs" data-over={over || undefined}>
      {lines}
    </pre>
  );
}
