// Opens a lease by its numbers.

import type { FormEvent } from "react";
import { paths } from "../route/paths.js";
import { navigate } from "../route/route.js";
import { useSession } from "../session/session.js";
import { lease as t } from "../text/en.js";

export function LeaseList() {
  const { owner = "" } = useSession();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const field = (name: string) => String(fields.get(name) ?? "").trim();
    navigate(
      paths.lease({
        owner: field("owner"),
        dseq: field("dseq"),
        gseq: Number(field("gseq")),
        oseq: Number(field("oseq")),
        provider: field("provider"),
      }),
    );
  }

  const address = {
    required: true,
    spellCheck: false,
    autoCapitalize: "off",
    placeholder: "akash1…",
    maxLength: 128,
  };
  const number = { required: true, inputMode: "numeric" as const };
  return (
    <section aria-labelledby="open-title">
      <div className="section-head">
        <h1 id="open-title">{t.open}</h1>
      </div>
      <form className="lease" onSubmit={submit} autoComplete="off">
        <label className="owner">
          {t.owner} <input name="owner" defaultValue={owner} {...address} />
        </label>
        <label>
          {t.deployment} <input name="dseq" pattern="[0-9]{1,20}" placeholder="dseq" {...number} />
        </label>
        <label>
          {t.group} <input name="gseq" pattern="[0-9]{1,10}" defaultValue="1" {...number} />
        </label>
        <label>
          {t.order} <input name="oseq" pattern="[0-9]{1,10}" defaultValue="1" {...number} />
        </label>
        <label className="owner">
          {t.provider} <input name="provider" {...address} />
        </label>
        <div className="actions">
          <button type="submit" className="primary">
            {t.openButton}
          </button>
        </div>
      </form>
    </section>
  );
}
