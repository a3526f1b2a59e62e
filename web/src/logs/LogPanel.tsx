// Follows the logs of a lease.

import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { openClient } from "../client/client.js";
import type { LeaseRef } from "../route/paths.js";
import { useAuth } from "../session/session.js";
import { logs as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import { Viewer } from "./viewer.js";

// How often the progress line is updated, in milliseconds.
const tick = 500;

export function LogPanel({ lease }: { lease: LeaseRef }) {
  const auth = useAuth(lease.provider);
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const viewer = useRef<Viewer>(null);
  const run = useRef<AbortController>(null);
  const [line, setLine] = useState("");
  const [running, setRunning] = useState(false);
  const [began, setBegan] = useState(false);
  const [error, setError] = useState<unknown>();
  const [services, setServices] = useState<readonly string[]>([]);

  useEffect(() => {
    const find = <E extends HTMLElement>(selector: string): E => {
      const found = box.current?.querySelector<E>(selector);
      if (!found) throw new Error(`the log has no ${selector}`);
      return found;
    };
    const made = new Viewer(find(".lines"), {
      end: find("button.end"),
      count: find("#count"),
      save: find("#save"),
      clear: find("#clear"),
      find: find("input"),
    });
    viewer.current = made;
    return () => {
      run.current?.abort();
      made.close();
    };
  }, []);

  async function start(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const field = (name: string) => String(fields.get(name) ?? "").trim();
    run.current?.abort();
    const abort = new AbortController();
    run.current = abort;
    const { signal } = abort;
    viewer.current?.clear();
    setError(undefined);
    setBegan(true);
    setRunning(true);
    setLine(t.connecting);

    let lines = 0;
    let last = 0;
    let then = performance.now();
    let state = t.connecting;
    const timer = setInterval(() => {
      const now = performance.now();
      const rate = ((lines - last) / Math.max(1, now - then)) * 1000;
      [last, then] = [lines, now];
      if (state) setLine(lines === 0 ? state : t.progress(state, lines));
      else setLine(lines === 0 ? t.noLines : t.rate(lines, rate));
    }, tick);
    const end = (how: string) => run.current === abort && setLine(t.progress(how, lines));
    try {
      const client = await openClient();
      const stream = client.streamLogs({
        provider: lease.provider,
        lease,
        follow: fields.has("follow"),
        ...(field("service") && { filter: { name: field("service") } }),
        ...(field("tail") && { tail: Number(field("tail")) }),
        ...(auth && { auth }),
        signal,
        onState: (now) => {
          state = { connecting: t.connecting, reconnecting: t.reconnecting }[now as string] ?? "";
        },
      });
      for await (const batch of stream.batches()) {
        if (signal.aborted) break;
        lines += batch.length;
        viewer.current?.push(batch);
        const names = batch.map(({ service }) => service);
        setServices((known) => {
          const next = new Set([...known, ...names]);
          return next.size === known.length ? known : [...next].slice(0, 100);
        });
      }
      end(signal.aborted ? t.stopped : t.ended);
    } catch (thrown) {
      if (signal.aborted) {
        end(t.stopped);
      } else {
        end(t.failed);
        setError(thrown);
      }
    } finally {
      clearInterval(timer);
      if (run.current === abort) setRunning(false);
    }
  }

  return (
    <section aria-labelledby={`${id}-title`}>
      <div className="section-head">
        <h2 id={`${id}-title`}>{t.title}</h2>
        <p id="logs-line" className="muted">
          {line}
        </p>
      </div>
      <form className="lease" onSubmit={start} autoComplete="off">
        <label className="half">
          {t.service}{" "}
          <input
            name="service"
            list={`${id}-services`}
            spellCheck={false}
            autoCapitalize="off"
            placeholder={t.all}
            maxLength={253}
          />
        </label>
        <datalist id={`${id}-services`}>
          {services.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <label className="half">
          {t.lastLines}{" "}
          <input name="tail" inputMode="numeric" pattern="[0-9]{1,9}" placeholder={t.all} />
        </label>
        <div className="actions">
          <label className="switch">
            <input type="checkbox" name="follow" defaultChecked /> {t.follow}
          </label>
          <button type="submit" className="primary">
            {running ? t.again : t.start}
          </button>
          <button type="button" disabled={!running} onClick={() => run.current?.abort()}>
            {t.stop}
          </button>
        </div>
      </form>
      <div id="logs-notice" role="alert">
        {error !== undefined && <Notice error={error} />}
      </div>
      <div ref={box} className="viewer" hidden={!began}>
        <div
          id="viewer"
          className="lines"
          role="log"
          aria-live="off"
          aria-label={t.lines}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled must be reachable by keyboard
          tabIndex={0}
        />
        <button type="button" className="end" hidden>
          {t.end}
        </button>
        <div className="viewer-bar">
          <label>
            {t.find}{" "}
            <input type="search" spellCheck={false} autoComplete="off" placeholder={t.findHint} />
          </label>
          <span id="count" className="muted" />
          <button type="button" id="save">
            {t.save}
          </button>
          <button type="button" id="clear">
            {t.clear}
          </button>
        </div>
      </div>
    </section>
  );
}
