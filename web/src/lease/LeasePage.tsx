// One lease.

import { LogPanel } from "../logs/LogPanel.js";
import { href, type LeaseRef, paths } from "../route/paths.js";
import { lease as t } from "../text/en.js";

export function LeasePage(props: {
  owner: string;
  dseq: string;
  gseq: string;
  oseq: string;
  provider: string;
  view: string;
}) {
  const { owner, dseq, provider } = props;
  const lease: LeaseRef = {
    owner,
    dseq,
    gseq: Number(props.gseq),
    oseq: Number(props.oseq),
    provider,
  };
  return (
    <>
      <section aria-labelledby="lease-title">
        <div className="section-head">
          <h1 id="lease-title">
            {t.title} {dseq}/{lease.gseq}/{lease.oseq}
          </h1>
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
        </dl>
      </section>
      <LogPanel key={paths.lease(lease)} lease={lease} />
    </>
  );
}
