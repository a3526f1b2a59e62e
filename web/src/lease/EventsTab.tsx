// The events of a lease as a timeline, the newest first.

import { useEffect, useId, useMemo, useState } from "react";
import { events as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import { Retry } from "../ui/Retry.js";
import { maxEvents, serviceOf } from "./events.js";
import type { PartProps } from "./tab.js";

export function EventsTab({ status, events }: PartProps) {
  const { state, waiting, error, restart } = events;
  const [service, setService] = useState("");
  const [warnings, setWarnings] = useState(false);
  const [settled, setSettled] = useState(false);
  const id = useId();

  // The events from before are not read out when they arrive, which is all at once.
  useEffect(() => {
    if (state !== "open") return;
    const timer = setTimeout(() => setSettled(true), 2000);
    return () => clearTimeout(timer);
  }, [state]);

  const names = useMemo(() => status.data?.map(({ name }) => name) ?? [], [status.data]);
  const shown = events.events
    .filter(({ event }) => !warnings || event.type === "Warning")
    .filter(({ event }) => service === "" || serviceOf(event, names) === service)
    .toReversed();
  const hidden = events.events.length - shown.length;
  const full = events.events.length === maxEvents;
  const line = error
    ? t.ended
    : {
        connecting: t.connecting,
        open: t.followed,
        reconnecting: t.reconnecting,
        ended: t.ended,
      }[state];
  return (
    <section aria-labelledby={`${id}-title`} data-state={state}>
      <div className="section-head">
        <h2 id={`${id}-title`}>{t.title}</h2>
        <p className={state === "reconnecting" ? "stale" : "muted"} aria-live="polite">
          {line}
        </p>
        <label className="pick-one">
          {t.service}{" "}
          <select value={service} onChange={({ target }) => setService(target.value)}>
            <option value="">{t.all}</option>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label className="switch">
          <input
            type="checkbox"
            checked={warnings}
            onChange={({ target }) => setWarnings(target.checked)}
          />{" "}
          {t.warnings}
        </label>
      </div>
      <div role="alert">
        {error !== undefined ? (
          <Notice error={error} again={restart} />
        ) : (
          state === "reconnecting" && waiting && <Notice error={waiting} />
        )}
      </div>
      {state === "reconnecting" && <Retry of={events.retrying} />}
      {shown.length === 0 && state !== "connecting" && !error && (
        <p className="empty">{hidden > 0 ? t.hidden(hidden) : t.none}</p>
      )}
      <div role="log" aria-live={settled ? "polite" : "off"} aria-labelledby={`${id}-title`}>
        <ol className="timeline">
          {shown.map(({ id, event, at }) => (
            <li key={id} className={event.type === "Warning" ? "warning" : undefined}>
              <time dateTime={at.toISOString()}>{at.toLocaleTimeString()}</time>
              <span className="event-reason">
                {event.type === "Warning" && <span className="badge">{t.warning}</span>}
                {event.reason}
              </span>
              <span className="event-note" dir="auto">
                {event.note}
              </span>
              <span className="muted">{event.object?.name}</span>
            </li>
          ))}
        </ol>
      </div>
      {shown.length > 0 && (
        <p className="muted">
          {full ? t.kept(maxEvents) : t.count(shown.length)}
          {hidden > 0 && `, ${t.hidden(hidden)}`}. {t.times}
        </p>
      )}
    </section>
  );
}
