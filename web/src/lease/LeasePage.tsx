// One lease: what the chain says of it, and its parts in tabs.

import type { Auth } from "akash-provider-web";
import { useServiceStatus } from "akash-provider-web/react";
import { useMemo } from "react";
import { href, type LeaseRef, paths } from "../route/paths.js";
import { useAuth, useSession } from "../session/session.js";
import { session as s, lease as t } from "../text/en.js";
import { LeaseHead } from "./LeaseHead.js";
import { Tabs } from "./Tabs.js";
import { isTab, type TabName } from "./tab.js";
import { useEvents } from "./use-events.js";
import { useLeaseRecord } from "./use-leases.js";

export function LeasePage(props: {
  owner: string;
  dseq: string;
  gseq: string;
  oseq: string;
  provider: string;
  view: string;
}) {
  const { owner, dseq, gseq, oseq, provider, view } = props;
  const lease = useMemo(
    (): LeaseRef => ({ owner, dseq, gseq: Number(gseq), oseq: Number(oseq), provider }),
    [owner, dseq, gseq, oseq, provider],
  );
  const session = useSession();
  const auth = useAuth(provider);
  const record = useLeaseRecord(lease);
  const tab: TabName = isTab(view) ? view : "services";
  return (
    <>
      <LeaseHead lease={lease} chain={record} />
      {session.owner && session.owner !== owner && (
        <p className="notice warning">{t.otherOwner(session.owner)}</p>
      )}
      {auth ? (
        <Parts key={paths.lease(lease)} lease={lease} tab={tab} auth={auth} />
      ) : (
        <section>
          <p className="empty">{t.needsAuth}</p>
          <p>
            <a href={href(paths.signIn)}>{s.signIn}</a>
          </p>
        </section>
      )}
    </>
  );
}

function Parts({ lease, tab, auth }: { lease: LeaseRef; tab: TabName; auth: Auth }) {
  const status = useServiceStatus({ provider: lease.provider, lease, auth });
  const events = useEvents(lease, auth);
  return <Tabs lease={lease} tab={tab} parts={{ lease, auth, status, events }} />;
}
