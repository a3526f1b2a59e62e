// One provider.

import { useEffect, useState } from "react";
import { providers as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import { Retry } from "../ui/Retry.js";
import { Asking } from "./Asking.js";
import { StatusView } from "./StatusView.js";
import { useHistory } from "./use-history.js";
import { type ProviderView, useProvider } from "./use-provider.js";

export function ProviderPage({ provider }: { provider: string }) {
  return <Provider key={provider} address={provider} />;
}

function Provider({ address }: { address: string }) {
  const [live, setLive] = useState(true);
  const view = useProvider(address, live);
  const { phase, status, about, error, ask, cancel } = view;
  const history = useHistory(status);
  return (
    <section aria-labelledby="status-title">
      <div className="section-head">
        <h1 id="status-title">{t.title}</h1>
        <StateLine {...view} />
        <Asking live={live} onLive={setLive} busy={phase === "asking"} ask={ask} cancel={cancel} />
      </div>
      <div id="status-notice" role="alert">
        {error !== undefined && <Notice error={error} again={ask} />}
      </div>
      {phase === "stale" && <Retry of={view.retrying} />}
      <div id="status" aria-busy={phase === "asking"} className={phase === "stale" ? "stale" : ""}>
        {status && about && (
          <StatusView address={address} status={status} about={about} history={history} />
        )}
      </div>
    </section>
  );
}

/** Says how old what is shown is. Only a change of this is spoken, not each new time. */
function StateLine({ phase, at, since }: ProviderView) {
  const seconds = useSeconds(phase === "asking" ? since : undefined);
  const time = at?.toLocaleTimeString() ?? "";
  const line = {
    asking: t.asking(seconds),
    cancelled: t.cancelled,
    failed: t.failed,
    shown: t.asOf(time),
    live: t.liveAt(time),
    stale: t.stale(time),
    ended: t.ended(time),
  }[phase];
  const spoken = { ...t.spoken, asking: "" }[phase];
  return (
    <>
      <p id="status-line" className="muted" data-phase={phase}>
        {line}
      </p>
      <p className="visually-hidden" role="status">
        {spoken}
      </p>
    </>
  );
}

/** Returns the seconds since a time, and renders again each second. */
function useSeconds(since: number | undefined): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (since === undefined) return;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [since]);
  return since === undefined ? 0 : Math.max(0, Math.floor((now - since) / 1_000));
}
