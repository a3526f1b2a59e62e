// Reads the log of a lease: the choice of what to read, the state of the stream, and the
// viewer, which is not React's: it changes with every frame.

import { type FormEvent, useCallback, useEffect, useId, useRef, useState } from "react";
import { openClient } from "../client/client.js";
import type { LeaseRef } from "../route/paths.js";
import { useAuth } from "../session/session.js";
import { logs as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import { Retry } from "../ui/Retry.js";
import { Feed, type FeedSource, type FeedState } from "./feed.js";
import { openWorker } from "./open-worker.js";
import { Pace } from "./pace.js";
import { LogViewer } from "./viewer.js";

/** What is read of the log. */
interface Choice {
  service: string;
  tail: number | undefined;
  follow: boolean;
}

const everything: Choice = { service: "", tail: undefined, follow: true };

export function LogPanel({ lease }: { lease: LeaseRef }) {
  const auth = useAuth(lease.provider);
  const id = useId();
  const place = useRef<HTMLDivElement>(null);
  const pace = useRef<HTMLSpanElement>(null);
  const viewer = useRef<LogViewer>(null);
  const feed = useRef<Feed>(null);
  const [state, setState] = useState<FeedState>();
  const [choice, setChoice] = useState(everything);
  // Only narrow windows fold it, and only what is read already.
  const [unfolded, setUnfolded] = useState(false);

  const retrying = useCallback(() => feed.current ?? undefined, []);

  const key = JSON.stringify(lease);
  const label = t.of(choice.service, lease.dseq, lease.provider);

  // A log belongs to one lease and one person: with another one it starts anew.
  // biome-ignore lint/correctness/useExhaustiveDependencies: key stands for lease
  useEffect(() => {
    const made = new LogViewer({
      texts: t,
      label: t.of("", lease.dseq, lease.provider),
      openWorker,
      fileName: () => `lease-${lease.dseq}-${new Date().toISOString().replace(/[:.]/g, "-")}.log`,
    });
    viewer.current = made;
    place.current?.append(made.root);
    const rate = new Pace(made.store, t, pace);
    if (auth) start(everything);
    return () => {
      feed.current?.stop();
      feed.current = null;
      rate.close();
      made.close();
      viewer.current = null;
      setState(undefined);
    };
  }, [key, auth]);

  function start(wanted: Choice): void {
    const { current: shown } = viewer;
    if (!shown) return;
    feed.current?.stop();
    shown.clear();
    shown.setLabel(t.of(wanted.service, lease.dseq, lease.provider));
    setChoice(wanted);
    const made = new Feed(shown.store, t, sourceOf(lease, auth, wanted));
    feed.current = made;
    made.onChange(() => {
      if (feed.current === made) setState(made.state);
    });
    made.start();
  }

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const field = (name: string) => String(fields.get(name) ?? "").trim();
    start({
      service: field("service"),
      tail: field("tail") ? Number(field("tail")) : undefined,
      follow: fields.has("follow"),
    });
  }

  const { phase, error, method, noEvents } = state ?? {};
  // Neither AEP-37 nor the bridge's use of the SDK's LeaseRPC has a number of last lines.
  const whole = method === "grpc";
  const running = phase === "connecting" || phase === "open" || phase === "reconnecting";
  return (
    <section aria-labelledby={`${id}-title`}>
      <div className="section-head">
        <h2 id={`${id}-title`}>{t.title}</h2>
        <p className="log-of">{label}</p>
      </div>
      <form
        id={`${id}-form`}
        className={unfolded || !state ? "log-form" : "log-form folded"}
        onSubmit={submit}
        autoComplete="off"
      >
        <label>
          {t.service}{" "}
          <input
            name="service"
            spellCheck={false}
            autoCapitalize="off"
            placeholder={t.anyService}
            maxLength={253}
          />
        </label>
        <label>
          {t.lastLines}{" "}
          <input
            name="tail"
            inputMode="numeric"
            pattern="[0-9]{1,9}"
            placeholder={t.allLines}
            disabled={whole}
            aria-describedby={whole ? `${id}-whole` : undefined}
          />
        </label>
        <div className="log-actions">
          <label className="switch">
            <input type="checkbox" name="follow" defaultChecked /> {t.follow}
          </label>
          <button type="submit" className="primary" disabled={!auth}>
            {state ? t.readAgain : t.start}
          </button>
          <button type="button" disabled={!running} onClick={() => feed.current?.stop()}>
            {t.stop}
          </button>
        </div>
        {whole && (
          <p id={`${id}-whole`} className="muted log-whole">
            {t.noTail}
          </p>
        )}
      </form>
      <div className="log-line">
        <p className="log-state" data-phase={phase}>
          <span role="status">{auth ? describe(state, choice) : t.signIn}</span>{" "}
          <span ref={pace} className="muted" />
        </p>
        {state && (
          <button
            type="button"
            aria-expanded={unfolded}
            aria-controls={`${id}-form`}
            onClick={() => setUnfolded(!unfolded)}
          >
            {t.choose}
          </button>
        )}
      </div>
      {running && phase !== "open" && error && <Retry of={retrying} />}
      {noEvents && <p className="muted">{t.noEvents(noEvents.message)}</p>}
      <div role="alert">
        {phase === "ended" && error && <Notice error={error} again={() => start(choice)} />}
      </div>
      <div ref={place} />
    </section>
  );
}

/** Says in words what the stream does. */
function describe(state: FeedState | undefined, { follow }: Choice): string {
  const why = state?.error?.message ?? "";
  switch (state?.phase) {
    case "connecting":
      return why ? t.waiting(why) : t.connecting;
    case "open":
      return follow ? t.following : t.reading;
    case "reconnecting":
      return t.reconnecting(why);
    case "stopped":
      return t.stoppedReading;
    case "ended":
      return state.error ? t.failedReading : t.endedReading;
    default:
      return "";
  }
}

function sourceOf(
  lease: LeaseRef,
  auth: ReturnType<typeof useAuth>,
  { service, tail, follow }: Choice,
): FeedSource {
  const common = { provider: lease.provider, lease, ...(auth && { auth }) };
  const source: FeedSource = {
    logs: async (signal) =>
      (await openClient()).streamLogs({
        ...common,
        ...(service && { filter: { name: service } }),
        ...(tail !== undefined && { tail }),
        follow,
        signal,
      }),
  };
  if (!follow) return source;
  return {
    ...source,
    events: async (signal, follow) =>
      (await openClient()).streamLeaseEvents({
        ...common,
        ...(service && { service }),
        follow,
        signal,
      }),
  };
}
