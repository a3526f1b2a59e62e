// Asks before a service is restarted, and shows what became of each replica.

import type { Auth, RestartStatus, ServiceStatus } from "akash-provider-web";
import { useEffect, useRef, useState } from "react";
import { openClient } from "../client/client.js";
import type { LeaseRef } from "../route/paths.js";
import { services as t } from "../text/en.js";
import { Dialog } from "../ui/Dialog.js";
import { Notice } from "../ui/Notice.js";
import { cannotRestart } from "./restartable.js";

type Phase =
  | { name: "asking" }
  | { name: "restarting" }
  | { name: "done"; replicas: RestartStatus[] }
  | { name: "failed"; error: unknown };

/** How long the provider waits for the replicas to come back, in milliseconds. */
const patience = 120_000;

export function RestartDialog({
  lease,
  auth,
  service,
  onClose,
}: {
  lease: LeaseRef;
  auth: Auth;
  service: ServiceStatus;
  onClose: () => void;
}) {
  const { name, status } = service;
  const total = status?.total ?? 0;
  const [replica, setReplica] = useState("");
  const [phase, setPhase] = useState<Phase>({ name: "asking" });
  const abort = useRef<AbortController>(null);
  useEffect(() => () => abort.current?.abort(), []);

  async function go() {
    setPhase({ name: "restarting" });
    abort.current = new AbortController();
    try {
      const client = await openClient();
      const result = await client.restartServices({
        provider: lease.provider,
        lease,
        filter: { name, ...(replica !== "" && { replicas: [Number(replica)] }) },
        timeoutMs: patience,
        signal: abort.current.signal,
        auth,
      });
      if (result.status === "success") setPhase({ name: "done", replicas: result.response });
      else {
        if (result.error.reason === "notImplemented") cannotRestart(lease.provider);
        setPhase({ name: "failed", error: result.error });
      }
    } catch (error) {
      setPhase({ name: "failed", error });
    }
  }

  const asks = phase.name === "asking";
  return (
    <Dialog
      title={t.restartTitle(name)}
      onClose={onClose}
      actions={
        <>
          <button type="button" onClick={onClose}>
            {asks ? t.cancel : t.close}
          </button>
          {asks && (
            <button type="button" className="primary" onClick={go}>
              {t.restartGo}
            </button>
          )}
        </>
      }
    >
      {asks && (
        <>
          <p>{t.restartWarning}</p>
          {total > 1 && (
            <label>
              {t.restartWhat}{" "}
              <select value={replica} onChange={({ target }) => setReplica(target.value)}>
                <option value="">{t.allReplicas(total)}</option>
                {[...Array(total).keys()].map((n) => (
                  <option key={n} value={n}>
                    {t.replica(n)}
                  </option>
                ))}
              </select>
            </label>
          )}
        </>
      )}
      <div role="status">
        {phase.name === "restarting" && <p>{t.restarting(name)}</p>}
        {phase.name === "done" && (
          <>
            <p>{t.restarted(name)}</p>
            <ul className="replicas">
              {phase.replicas.map(({ replica, state, message }) => (
                <li key={replica} className={state}>
                  {t.replica(replica)}: {t.restartStates[state] ?? state}
                  {message && ` (${message})`}
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
      <div role="alert">{phase.name === "failed" && <Notice error={phase.error} />}</div>
    </Dialog>
  );
}
