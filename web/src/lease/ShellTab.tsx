// A shell in a container.

import type { Shell } from "akash-provider-web";
import { type UseShellOptions, useShell } from "akash-provider-web/react";
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { usePermission } from "../session/permission.js";
import { shell as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import { commandOf } from "./command.js";
import { type Container, containerOf, PickReplica } from "./PickReplica.js";
import type { PartProps } from "./tab.js";
import type { OpenTerminal } from "./terminal.js";

export function ShellTab({ lease, auth, status }: PartProps) {
  const [chosen, choose] = useState<Container>();
  const [options, setOptions] = useState<UseShellOptions>();
  const { shell, state, exit, error, restart } = useShell(options);
  const stop = useRef<HTMLButtonElement>(null);
  const id = useId();
  const container = containerOf(status.data, chosen);
  const permitted = usePermission("shell", lease);
  const runs = state === "starting" || state === "open";

  function start(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (!container) return;
    const command = commandOf(String(new FormData(event.currentTarget).get("command") ?? ""));
    const next = { provider: lease.provider, lease, auth, ...container, command };
    if (JSON.stringify(next) === JSON.stringify(options)) restart();
    setOptions(next);
  }

  const line = {
    idle: "",
    starting: t.starting,
    open: options && t.open(`${options.service}/${options.replica}`),
    ended: exit && (exit.message ? t.endedBy(exit.message) : t.ended(exit.code)),
    failed: t.failed,
  }[state];
  return (
    <section aria-labelledby={`${id}-title`} data-state={state}>
      <div className="section-head">
        <h2 id={`${id}-title`}>{t.title}</h2>
        <p className="muted" aria-live="polite">
          {line}
        </p>
      </div>
      <form className="lease" onSubmit={start} autoComplete="off">
        <PickReplica
          services={status.data}
          value={container}
          onChange={choose}
          texts={t}
          disabled={runs}
        />
        <label className="half">
          {t.command}{" "}
          <input
            name="command"
            spellCheck={false}
            autoCapitalize="off"
            placeholder={t.commandHint}
            maxLength={1000}
          />
        </label>
        <div className="actions">
          <button
            type="submit"
            className="primary"
            disabled={!container || runs || permitted !== undefined}
          >
            {options ? t.again : t.start}
          </button>
          <button ref={stop} type="button" disabled={!runs} onClick={() => setOptions(undefined)}>
            {t.stop}
          </button>
        </div>
      </form>
      {permitted && <p className="muted">{permitted}</p>}
      {status.data?.length === 0 && <p className="empty">{t.noServices}</p>}
      <div role="alert">{error && <Notice error={error} again={restart} />}</div>
      {options ? (
        <TerminalView shell={shell} onLeave={() => stop.current?.focus()} />
      ) : (
        <p className="empty">{t.idle}</p>
      )}
    </section>
  );
}

function TerminalView({ shell, onLeave }: { shell: Shell | undefined; onLeave: () => void }) {
  const element = useRef<HTMLDivElement>(null);
  const leave = useRef(onLeave);
  leave.current = onLeave;
  const [terminal, setTerminal] = useState<OpenTerminal>();
  const [error, setError] = useState<unknown>();
  const id = useId();

  useEffect(() => {
    let left = false;
    let opened: OpenTerminal | undefined;
    import("./terminal.js").then(({ openTerminal }) => {
      if (left || !element.current) return;
      opened = openTerminal(element.current, () => leave.current());
      setTerminal(opened);
    }, setError);
    return () => {
      left = true;
      opened?.dispose();
    };
  }, []);

  useEffect(() => {
    if (!terminal || !shell) return;
    terminal.focus();
    return terminal.attach(shell);
  }, [terminal, shell]);

  return (
    <>
      {error !== undefined && <Notice error={error} />}
      <section className="terminal-box" aria-label={t.terminal} aria-describedby={id}>
        <div ref={element} className="terminal-screen" />
      </section>
      <p id={id} className="muted">
        {t.leave}
      </p>
    </>
  );
}
