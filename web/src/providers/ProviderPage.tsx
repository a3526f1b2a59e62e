// One provider.

import { useState } from "react";
import { providers as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import { AddressForm } from "./AddressForm.js";
import { StatusView } from "./StatusView.js";
import { useProvider } from "./use-provider.js";

export function ProviderPage({ provider }: { provider: string }) {
  return (
    <>
      <AddressForm />
      <Provider key={provider} address={provider} />
    </>
  );
}

function Provider({ address }: { address: string }) {
  const [live, setLive] = useState(false);
  const { phase, status, about, at, error, ask } = useProvider(address, live);

  const line = {
    asking: t.asking,
    failed: t.failed,
    shown: at ? t.asOf(at.toLocaleTimeString()) : "",
  };
  return (
    <section aria-labelledby="status-title">
      <div className="section-head">
        <h1 id="status-title">{t.title}</h1>
        <p id="status-line" className="muted">
          {line[phase]}
        </p>
        <label className="switch">
          <input
            type="checkbox"
            checked={live}
            onChange={(event) => setLive(event.currentTarget.checked)}
          />{" "}
          {t.live}
        </label>
        <button type="button" onClick={ask}>
          {t.refresh}
        </button>
      </div>
      <div id="status-notice" role="alert">
        {error !== undefined && <Notice error={error} again={ask} />}
      </div>
      <div id="status" aria-busy={phase === "asking"}>
        {status && about && <StatusView address={address} status={status} about={about} />}
      </div>
    </section>
  );
}
