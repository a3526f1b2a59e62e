// The manifest of a lease: read, edit, check, send.

import { ProviderError } from "akash-provider-web";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import { paths } from "../route/paths.js";
import { usePermission } from "../session/permission.js";
import { useSession } from "../session/session.js";
import { manifest as t } from "../text/en.js";
import { Dialog } from "../ui/Dialog.js";
import { Notice } from "../ui/Notice.js";
import { useDraft } from "./drafts.js";
import { check, format, lineOfRefusal, type Problem } from "./manifest.js";
import type { PartProps } from "./tab.js";
import { useManifest } from "./use-manifest.js";

export function ManifestTab({ lease, auth }: PartProps) {
  const { text, busy, error, sentAt, refusal, read, send } = useManifest(lease, auth);
  const { owner } = useSession();
  // Who signs in as somebody else does not see what was written.
  const [edited, setEdited] = useDraft(`${owner} ${paths.lease(lease, "manifest")}`);
  const permitted = usePermission("manifest", lease);
  const [asked, setAsked] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();

  useEffect(() => {
    // What was sent is what the provider has now.
    if (sentAt) setEdited(undefined);
  }, [sentAt, setEdited]);
  useEffect(() => {
    if (edited === text) setEdited(undefined);
  }, [edited, text, setEdited]);

  const value = edited ?? text ?? "";
  const changed = edited !== undefined && edited !== text;
  const problems = useMemo(() => (value === "" ? [] : check(value)), [value]);
  const formatted = useMemo(() => format(value), [value]);
  const refused = refusalOf(refusal, value);

  function go(line: number) {
    const area = field.current;
    if (!area) return;
    const lines = value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    const height = area.scrollHeight / lines.length;
    area.scrollTop = Math.max(0, (line - 4) * height);
  }

  const line = busy
    ? { reading: t.asking, sending: t.sending }[busy]
    : problems.length > 0
      ? t.problems(problems.length)
      : changed
        ? t.changed
        : text && t.unchanged;
  return (
    <section aria-labelledby={`${id}-title`} aria-busy={busy !== undefined}>
      <div className="section-head">
        <h2 id={`${id}-title`}>{t.title}</h2>
        <p className="muted" aria-live="polite">
          {line}
        </p>
        <button type="button" disabled={busy !== undefined || changed} onClick={read}>
          {t.read}
        </button>
      </div>
      <div role="alert">{error !== undefined && <Notice error={error} again={read} />}</div>
      <label className="manifest">
        {t.text}
        <textarea
          ref={field}
          value={value}
          rows={22}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          wrap="off"
          readOnly={busy === "sending"}
          aria-invalid={problems.length > 0 || refused !== undefined}
          aria-describedby={`${id}-hint ${id}-problems ${id}-refusal`}
          onChange={({ target }) => setEdited(target.value)}
        />
      </label>
      <p id={`${id}-hint`} className="muted">
        {t.json}
      </p>
      <div id={`${id}-problems`}>
        <Problems title={t.wrong} problems={problems} onGo={go} />
      </div>
      <div id={`${id}-refusal`} role="alert">
        {refused && <Problems title={t.refused} problems={[refused]} onGo={go} />}
        {refusal !== undefined && <Notice error={refusal} />}
      </div>
      {permitted && (
        <p id={`${id}-permitted`} className="muted">
          {permitted}
        </p>
      )}
      <p role="status">{sentAt && t.sent(sentAt.toLocaleTimeString())}</p>
      <div className="buttons">
        <button
          type="button"
          disabled={formatted === undefined}
          onClick={() => setEdited(formatted)}
        >
          {t.format}
        </button>
        <button type="button" disabled={!changed} onClick={() => setEdited(undefined)}>
          {t.discard}
        </button>
        <button
          type="button"
          className="primary"
          disabled={
            value === "" || problems.length > 0 || busy !== undefined || permitted !== undefined
          }
          aria-describedby={permitted ? `${id}-permitted` : undefined}
          onClick={() => setAsked(true)}
        >
          {t.send}
        </button>
      </div>
      {asked && (
        <Dialog
          title={t.sendTitle}
          onClose={() => setAsked(false)}
          actions={
            <>
              <button type="button" onClick={() => setAsked(false)}>
                {t.cancel}
              </button>
              <button
                type="button"
                className="primary"
                onClick={() => {
                  setAsked(false);
                  send(value);
                }}
              >
                {t.go}
              </button>
            </>
          }
        >
          <p>{t.sendWhat(lease.provider)}</p>
          <p>{t.sendHash}</p>
        </Dialog>
      )}
    </section>
  );
}

/** Returns the place in a manifest that a provider's refusal is about, if it is known. */
function refusalOf(refusal: unknown, text: string): Problem | undefined {
  if (!(refusal instanceof ProviderError) || refusal.reason !== "manifestRefused") return undefined;
  const line = lineOfRefusal(refusal.message, text);
  return line === undefined ? undefined : { line, text: refusal.message };
}

function Problems({
  title,
  problems,
  onGo,
}: {
  title: string;
  problems: readonly Problem[];
  onGo: (line: number) => void;
}) {
  if (problems.length === 0) return null;
  return (
    <div className="notice warning">
      <p className="notice-text">{title}</p>
      <ul className="problems">
        {problems.slice(0, 20).map(({ line, text }) => (
          <li key={`${line} ${text}`}>
            <button type="button" className="link" onClick={() => onGo(line)}>
              {t.line(line)}
            </button>{" "}
            {text}
          </li>
        ))}
      </ul>
    </div>
  );
}
