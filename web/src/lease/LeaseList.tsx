// The leases of an account, and a way to open any by its numbers.

import type { LeaseState, Trust } from "akash-provider-web";
import { type FormEvent, useEffect, useId, useState } from "react";
import { href, paths } from "../route/paths.js";
import { navigate } from "../route/route.js";
import { useSession } from "../session/session.js";
import { lease as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import { type LeasesView, useLeases } from "./use-leases.js";

const choices: readonly (LeaseState | "any")[] = [
  "active",
  "reclaiming",
  "insufficient_funds",
  "closed",
  "any",
];

const address = {
  required: true,
  spellCheck: false,
  autoCapitalize: "off",
  placeholder: "akash1…",
  maxLength: 128,
};

export function LeaseList() {
  const { kind, owner } = useSession();
  const [account, setAccount] = useState(owner);
  const [state, setState] = useState<LeaseState | "any">("active");
  const view = useLeases(account, state);
  const id = useId();

  useEffect(() => setAccount(owner), [owner]);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const typed = String(new FormData(event.currentTarget).get("account") ?? "").trim();
    if (typed === account) view.ask();
    else setAccount(typed);
  }

  return (
    <>
      <section aria-labelledby={`${id}-title`}>
        <div className="section-head">
          <h1 id={`${id}-title`}>{t.list}</h1>
          <p className="muted" aria-live="polite">
            {view.list ? t.leases(view.list.leases.length) : view.asking && t.asking}
          </p>
        </div>
        {kind === "none" && !account && <p className="empty">{t.signInFirst}</p>}
        <form className="lease accounts" onSubmit={submit} autoComplete="off" key={owner ?? ""}>
          <label className="owner">
            {t.account} <input name="account" defaultValue={account ?? ""} {...address} />
          </label>
          <label className="half">
            {t.state}{" "}
            <select
              name="state"
              value={state}
              onChange={({ target }) => setState(target.value as LeaseState | "any")}
            >
              {choices.map((choice) => (
                <option key={choice} value={choice}>
                  {t.states[choice]}
                </option>
              ))}
            </select>
          </label>
          <div className="actions">
            <button type="submit" className="primary">
              {view.list ? t.refresh : t.showLeases}
            </button>
          </div>
        </form>
        <div role="alert">
          {view.error !== undefined && <Notice error={view.error} again={view.ask} />}
        </div>
        <Leases view={view} />
      </section>
      <OpenForm owner={account ?? ""} />
    </>
  );
}

function Leases({ view: { list, trust, asking } }: { view: LeasesView }) {
  if (!list) return null;
  if (list.leases.length === 0) {
    return (
      <div className="empty">
        <p>{t.noLeases}</p>
        <p>{t.deploy}</p>
      </div>
    );
  }
  return (
    <div aria-busy={asking}>
      <ul className="leases">
        {list.leases.map(({ lease, state, price, denom, createdAt }) => {
          const ref = { ...lease, dseq: `${lease.dseq}` };
          return (
            <li key={`${lease.dseq}/${lease.gseq}/${lease.oseq}/${lease.provider}`}>
              <a className="lease-name" href={href(paths.lease(ref, "services"))}>
                {ref.dseq}/{lease.gseq}/{lease.oseq}
              </a>
              <span className={`state ${state}`}>{t.states[state]}</span>
              <span className="muted">{t.perBlock(price, denom)}</span>
              <span className="muted">{t.began(createdAt)}</span>
              <a className="lease-provider" href={href(paths.provider(lease.provider))}>
                {lease.provider}
              </a>
            </li>
          );
        })}
      </ul>
      {list.more && <p className="muted">{t.more(list.leases.length)}</p>}
      <p className="muted">{knownBy(trust, list.completeness, list.height)}</p>
    </div>
  );
}

/** Says how a list is known. */
function knownBy(trust: Trust | undefined, completeness: Trust, height: number): string {
  const [, equal, all] = /^quorum=(\d+)\/(\d+)$/.exec(completeness) ?? [];
  const parts = [equal && all ? t.agreed(equal, all) : t.onlyOne];
  if (trust === "proven") parts.unshift(t.eachProven);
  if (height > 0) parts.push(t.atBlock(height));
  const text = parts.join("; ");
  return `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}

/** Opens a lease by its numbers. */
function OpenForm({ owner }: { owner: string }) {
  const id = useId();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const field = (name: string) => String(fields.get(name) ?? "").trim();
    navigate(
      paths.lease(
        {
          owner: field("owner"),
          dseq: field("dseq"),
          gseq: Number(field("gseq")),
          oseq: Number(field("oseq")),
          provider: field("provider"),
        },
        "services",
      ),
    );
  }

  const number = { required: true, inputMode: "numeric" as const };
  return (
    <section aria-labelledby={`${id}-title`}>
      <details>
        <summary>
          <h2 id={`${id}-title`}>{t.open}</h2>
        </summary>
        <form className="lease" onSubmit={submit} autoComplete="off" key={owner}>
          <label className="owner">
            {t.owner} <input name="owner" defaultValue={owner} {...address} />
          </label>
          <label>
            {t.deployment}{" "}
            <input name="dseq" pattern="[0-9]{1,20}" placeholder="dseq" {...number} />
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
      </details>
    </section>
  );
}
