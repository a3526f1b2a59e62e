// Which lease it is, and what the chain says of it.

import { href, type LeaseRef, paths } from "../route/paths.js";
import { lease as t } from "../text/en.js";
import { Notice } from "../ui/Notice.js";
import type { LeaseRecord } from "./use-leases.js";

export function LeaseHead({ lease, chain }: { lease: LeaseRef; chain: LeaseRecord }) {
  const { owner, dseq, gseq, oseq, provider } = lease;
  const { record, asking, error, trust } = chain;
  const gone = record?.state === "closed" || record?.state === "insufficient_funds";
  return (
    <section aria-labelledby="lease-title">
      <div className="section-head">
        <h1 id="lease-title">
          {t.title} {dseq}/{gseq}/{oseq}
        </h1>
        <p aria-live="polite">
          {record ? (
            <span className={`state ${record.state}`}>{t.states[record.state]}</span>
          ) : (
            <span className="muted">{trust ? t.notListed : asking && t.asking}</span>
          )}
        </p>
      </div>
      <dl className="facts">
        <div>
          <dt>{t.owner}</dt>
          <dd>{owner}</dd>
        </div>
        <div>
          <dt>{t.provider}</dt>
          <dd>
            <a href={href(paths.provider(provider))}>{provider}</a>
          </dd>
        </div>
        {record && (
          <div>
            <dt>{t.price}</dt>
            <dd>{t.perBlock(record.price, record.denom)}</dd>
          </div>
        )}
        {record && record.closedOn > 0 && (
          <div>
            <dt>{t.state}</dt>
            <dd>{t.closedOn(record.closedOn)}</dd>
          </div>
        )}
      </dl>
      <div role="alert">
        {error !== undefined && <Notice error={error} again={chain.ask} />}
        {(gone || record?.state === "reclaiming") && (
          <div className="notice warning">
            <p className="notice-text">{gone ? t.closed : t.reclaiming}</p>
            <div className="notice-foot">
              <a href={href(paths.leases)}>{t.toLeases}</a>
            </div>
          </div>
        )}
      </div>
    </section>
  );
}
