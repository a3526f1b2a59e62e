// The services of a lease, as they change.

import type { ServiceStatus } from "akash-provider-web";
import { useEffect, useId, useMemo, useState } from "react";
import { usePermission } from "../session/permission.js";
import { services as t } from "../text/en.js";
import { Bar } from "../ui/Bar.js";
import { CopyButton } from "../ui/CopyButton.js";
import { Notice } from "../ui/Notice.js";
import { Retry, useRetrying } from "../ui/Retry.js";
import { restarts } from "./events.js";
import { RestartDialog } from "./RestartDialog.js";
import { isUnableToRestart } from "./restartable.js";
import type { PartProps } from "./tab.js";
import { openable } from "./uri.js";

export function ServicesTab({ lease, auth, status, events }: PartProps) {
  const { data, state, error, waiting, route, restart } = status;
  const retrying = useRetrying(status);
  const permitted = usePermission("restart", lease);
  const [at, setAt] = useState<Date>();
  const [asked, setAsked] = useState<ServiceStatus>();
  const id = useId();

  useEffect(() => {
    if (data) setAt(new Date());
  }, [data]);

  const names = useMemo(() => data?.map(({ name }) => name) ?? [], [data]);
  const counts = useMemo(() => restarts(events.events, names), [events.events, names]);
  const unable = isUnableToRestart(lease.provider, route)
    ? t.unableToRestart(route?.providerVersion ?? "")
    : permitted;
  const time = at?.toLocaleTimeString() ?? "";
  const line = !data
    ? !error && t.connecting
    : error || state === "ended"
      ? t.ended(time)
      : state === "reconnecting"
        ? t.stale(time)
        : t.live;
  return (
    <section aria-labelledby={`${id}-title`} data-state={state}>
      <div className="section-head">
        <h2 id={`${id}-title`}>{t.title}</h2>
        <p className={state === "reconnecting" ? "stale" : "muted"} aria-live="polite">
          {line}
        </p>
      </div>
      <div role="alert">
        {error ? (
          <Notice error={error} again={restart} />
        ) : (
          state === "reconnecting" && waiting && <Notice error={waiting} />
        )}
      </div>
      {state === "reconnecting" && <Retry of={retrying} />}
      {data?.length === 0 && (
        <div className="empty">
          <p>{t.none}</p>
          <p>{t.sendManifest}</p>
        </div>
      )}
      {unable && data && data.length > 0 && (
        <p id={`${id}-unable`} className="muted">
          {unable}
        </p>
      )}
      <ul className={error || state === "reconnecting" ? "services old" : "services"}>
        {data?.map((service) => (
          <Service
            key={service.name}
            service={service}
            restarts={counts.get(service.name)}
            unable={unable ? `${id}-unable` : undefined}
            onRestart={() => setAsked(service)}
          />
        ))}
      </ul>
      {asked && (
        <RestartDialog
          lease={lease}
          auth={auth}
          service={asked}
          onClose={() => setAsked(undefined)}
        />
      )}
    </section>
  );
}

function Service({
  service: { name, status, ports, ips },
  restarts,
  unable,
  onRestart,
}: {
  service: ServiceStatus;
  restarts: number | undefined;
  /** The id of the text that says why it cannot be restarted. */
  unable: string | undefined;
  onRestart: () => void;
}) {
  const { readyReplicas = 0, total = 0 } = status ?? {};
  return (
    <li className={readyReplicas < total ? "service lacking" : "service"}>
      <div className="service-head">
        <h3>{name}</h3>
        <span className="service-ready">{t.ready(readyReplicas, total)}</span>
        <button
          type="button"
          aria-label={t.restartOf(name)}
          aria-describedby={unable}
          disabled={unable !== undefined}
          onClick={onRestart}
        >
          {t.restart}
        </button>
      </div>
      <Readiness label={t.readyOf(name)} ready={readyReplicas} total={total} />
      <dl className="facts">
        <Fact name={t.replicas} value={status?.replicas} />
        <Fact name={t.updated} value={status?.updatedReplicas} />
        <Fact name={t.available} value={status?.availableReplicas} />
        <div title={t.restartsHint}>
          <dt>{t.restarts}</dt>
          <dd>{restarts ?? t.unknown}</dd>
        </div>
      </dl>
      {status && status.uris.length > 0 && (
        <>
          <h4>{t.addresses}</h4>
          <ul className="endpoints">
            {status.uris.map((uri) => (
              <Uri key={uri} uri={uri} />
            ))}
          </ul>
        </>
      )}
      {ports.length > 0 && (
        <>
          <h4>{t.ports}</h4>
          <ul className="endpoints">
            {ports.map(({ host, port, externalPort, proto }) => (
              <Endpoint
                key={`${host}:${externalPort}/${proto}`}
                text={`${host}:${externalPort}`}
                note={t.portTo(port, proto)}
              />
            ))}
          </ul>
        </>
      )}
      {ips.length > 0 && (
        <>
          <h4>{t.ips}</h4>
          <ul className="endpoints">
            {ips.map(({ ip, port, externalPort, protocol }) => (
              <Endpoint
                key={`${ip}:${externalPort}/${protocol}`}
                text={`${ip}:${externalPort}`}
                note={t.portTo(port, protocol)}
              />
            ))}
          </ul>
        </>
      )}
    </li>
  );
}

/** Shows how much of a service is ready. */
function Readiness({ label, ready, total }: { label: string; ready: number; total: number }) {
  const width = total > 0 ? Math.min(1, ready / total) * 100 : 0;
  return (
    <Bar
      label={label}
      value={Math.min(ready, total)}
      max={Math.max(1, total)}
      text={t.ready(ready, total)}
      width={width}
      className={ready < total ? "fill high" : "fill"}
    />
  );
}

function Fact({ name, value }: { name: string; value: number | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value ?? t.unknown}</dd>
    </div>
  );
}

function Uri({ uri }: { uri: string }) {
  const address = openable(uri);
  return (
    <li>
      {address ? (
        <a href={address} target="_blank" rel="noopener noreferrer">
          {uri}
        </a>
      ) : (
        <span title={t.notLinked}>{uri}</span>
      )}
      <CopyButton text={uri} />
    </li>
  );
}

function Endpoint({ text, note }: { text: string; note: string }) {
  return (
    <li>
      <code>{text}</code>
      <span className="muted">{note}</span>
      <CopyButton text={text} />
    </li>
  );
}
