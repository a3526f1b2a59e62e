// The view in which somebody signs in, or sees as whom they are signed in.

import { useId } from "react";
import { paths } from "../route/paths.js";
import { navigate, previousPath } from "../route/route.js";
import { session as t } from "../text/en.js";
import { CertificateForm } from "./CertificateForm.js";
import type { TokenFacts } from "./read-token.js";
import { SessionDetails } from "./SessionDetails.js";
import { useSession } from "./session.js";
import { TokenForm } from "./TokenForm.js";
import { WalletForm } from "./WalletForm.js";

export function SignIn() {
  const { kind } = useSession();
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <div className="section-head">
        <h1 id={id}>{kind === "none" ? t.signIn : t.signedIn}</h1>
      </div>
      {kind === "none" ? (
        <>
          <p className="empty">{t.why}</p>
          <div className="ways">
            <WalletForm onDone={() => leave()} />
            <TokenForm onDone={leave} />
            <CertificateForm onDone={() => leave()} />
          </div>
        </>
      ) : (
        <SessionDetails />
      )}
    </section>
  );
}

/**
 * Goes to where the person came from, or else to the lease that their token names, or to
 * their leases.
 */
function leave(token?: TokenFacts): void {
  const before = previousPath();
  const [only, another] = token?.leases ?? [];
  if (before && before !== paths.signIn && before !== paths.home) navigate(before);
  else if (token && only && !another) navigate(paths.lease({ owner: token.owner, ...only }));
  else navigate(paths.leases);
}
