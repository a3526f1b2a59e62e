// Files of a container: download and upload.

import { type FormEvent, useId, useRef, useState } from "react";
import { usePermission } from "../session/permission.js";
import { files as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import { bytes } from "../ui/quantity.js";
import { type Container, containerOf, PickReplica } from "./PickReplica.js";
import { chooseSink, nameOf } from "./save.js";
import type { PartProps } from "./tab.js";
import { type Transfer, useTransfers } from "./use-transfers.js";

export function FilesTab({ lease, auth, status }: PartProps) {
  const [chosen, choose] = useState<Container>();
  const { list, start, cancel, forget } = useTransfers(lease, auth);
  const file = useRef<HTMLInputElement>(null);
  const id = useId();
  const container = containerOf(status.data, chosen);
  const permitted = usePermission("shell", lease);
  const disabled = !container || permitted !== undefined;

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (!container) return;
    const fields = new FormData(event.currentTarget);
    const path = String(fields.get("path") ?? "").trim();
    const directory = fields.has("directory");
    const { submitter } = event.nativeEvent as SubmitEvent;
    if ((submitter as HTMLButtonElement | null)?.value === "upload") {
      const picked = file.current?.files?.[0];
      if (!picked) {
        file.current?.setCustomValidity(t.file);
        file.current?.reportValidity();
        return;
      }
      start({ container, path, directory, file: picked });
      return;
    }
    const sink = await chooseSink(nameOf(path, directory));
    if (sink) start({ container, path, directory, sink });
  }

  return (
    <section aria-labelledby={`${id}-title`}>
      <div className="section-head">
        <h2 id={`${id}-title`}>{t.title}</h2>
      </div>
      <form className="lease" onSubmit={submit} autoComplete="off">
        <PickReplica services={status.data} value={container} onChange={choose} texts={t} />
        <label className="owner">
          {t.path}{" "}
          <input
            name="path"
            required
            spellCheck={false}
            autoCapitalize="off"
            placeholder={t.pathHint}
            maxLength={4096}
          />
        </label>
        <label className="owner">
          {t.file}{" "}
          <input ref={file} type="file" onChange={({ target }) => target.setCustomValidity("")} />
        </label>
        <div className="actions wide">
          <label className="switch">
            <input type="checkbox" name="directory" /> {t.directory}
          </label>
          <button type="submit" value="download" disabled={disabled}>
            {t.download}
          </button>
          <button type="submit" value="upload" disabled={disabled}>
            {t.upload}
          </button>
        </div>
      </form>
      {permitted && <p className="muted">{permitted}</p>}
      <h3 id={`${id}-list`}>{t.transfers}</h3>
      {list.length === 0 && <p className="empty">{t.none}</p>}
      <ul className="transfers" aria-labelledby={`${id}-list`}>
        {list.map((one) => (
          <TransferRow key={one.id} transfer={one} onCancel={cancel} onForget={forget} />
        ))}
      </ul>
    </section>
  );
}

const size = (n: number) => {
  const { texts, unit } = bytes(n);
  return `${texts[0]} ${unit}`;
};

function TransferRow({
  transfer,
  onCancel,
  onForget,
}: {
  transfer: Transfer;
  onCancel: (id: number) => void;
  onForget: (id: number) => void;
}) {
  const { id, kind, path, phase, transferred, total, summary, error } = transfer;
  const name = kind === "upload" ? t.to(path) : t.from(path);
  const running = phase === "running";
  return (
    <li data-phase={phase}>
      <div className="transfer-head">
        <span className="transfer-name">{name}</span>
        <button
          type="button"
          aria-label={`${running ? t.cancel : t.forget}: ${name}`}
          onClick={() => (running ? onCancel(id) : onForget(id))}
        >
          {running ? t.cancel : t.forget}
        </button>
      </div>
      {running && (
        <progress aria-label={name} max={total ?? 1} value={total ? transferred : undefined} />
      )}
      {running && (
        <p className="muted">
          {total === undefined
            ? t.soFar(size(transferred))
            : t.progress(size(transferred), size(total))}
        </p>
      )}
      <p role="status" className="muted">
        {phase === "done" && summary && t.done(size(summary.size), summary.verified)}
        {phase === "cancelled" && t.cancelled}
      </p>
      <div role="alert">{phase === "failed" && <Notice error={error} />}</div>
    </li>
  );
}
