"use client";
import { useLogs } from "akash-provider-web/react";
import { useState } from "react";

export function Log() {
  const [name] = useState("log 1");
  const { lines, state, error } = useLogs({
    provider: "akash1provider…",
    lease: { owner: "akash1tenant…", dseq: "1234567" },
    auth: { type: "jwt", token: "eyJ…" },
    maxLines: 100_000,
  });
  return (
    <>
      <p id="version">version 1</p>
      <p id="state">
        {error ? error.message : state}, {name}
      </p>
      <pre id="logs">
        {lines.map(({ service, replica, message }) => `${service}/${replica}: ${message}\n`)}
      </pre>
    </>
  );
}
