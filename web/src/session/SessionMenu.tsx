// Who is signed in, in the header.

import { useEffect, useState } from "react";
import { href, paths } from "../route/paths.js";
import { session as t } from "../text/en.js";
import { short } from "../ui/address.js";
import { signOut, useSession } from "./session.js";

/** How long before its end the expiry of a token is shown, in milliseconds. */
const soon = 5 * 60_000;

export function SessionMenu() {
  const { kind, owner, expires } = useSession();
  const left = useTimeLeft(expires);
  if (kind === "none") {
    return (
      <a className="button" href={href(paths.signIn)}>
        {t.signIn}
      </a>
    );
  }
  return (
    <div className="session">
      <a href={href(paths.signIn)} title={owner}>
        <span className="visually-hidden">{t.signedIn} </span>
        {short(owner ?? "")}
      </a>
      {left !== undefined && left < soon && (
        <span className="muted">
          {left > 0 ? t.expiresSoon(Math.ceil(left / 60_000)) : t.expired}
        </span>
      )}
      <button type="button" onClick={signOut}>
        {t.signOut}
      </button>
    </div>
  );
}

/** Returns how long it is until a time, in milliseconds, and renders again each minute. */
function useTimeLeft(until: number | undefined): number | undefined {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (until === undefined) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, [until]);
  return until === undefined ? undefined : until - now;
}
