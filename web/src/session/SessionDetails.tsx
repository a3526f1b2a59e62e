// As whom somebody is signed in, and what the credentials permit.

import { href, paths } from "../route/paths.js";
import { session as t } from "../text/en.js";
import { signOut, useSession } from "./session.js";

export function SessionDetails() {
  const { kind, owner, name, groups, token, expires } = useSession();
  const facts: [string, string | undefined][] = [
    [t.account, owner],
    [t.how, name ?? t.kinds[kind]],
    [t.permits, kind === "wallet" ? groups.map((group) => t.groups[group]).join("; ") : undefined],
    [
      t.providersOfToken,
      token && (token.everywhere ? t.everyProvider : token.providers.join(", ")),
    ],
    [t.expires, expires === undefined ? undefined : new Date(expires).toLocaleString()],
  ];
  return (
    <>
      <dl className="facts column">
        {facts.map(
          ([label, text]) =>
            text && (
              <div key={label}>
                <dt>{label}</dt>
                <dd>{text}</dd>
              </div>
            ),
        )}
      </dl>
      <div className="way-foot">
        <a href={href(paths.leases)}>{t.toLeases}</a>
        <button type="button" onClick={signOut}>
          {t.signOut}
        </button>
      </div>
    </>
  );
}
