// The view in which somebody signs in.

import type { FormEvent } from "react";
import { paths } from "../route/paths.js";
import { navigate } from "../route/route.js";
import { session as t } from "../text/en.js";
import { readToken } from "./read-token.js";
import { signInWithToken } from "./session.js";

export function SignIn() {
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const token = readToken(String(new FormData(event.currentTarget).get("token") ?? ""));
    if (typeof token === "string") return;
    signInWithToken(token);
    navigate(paths.leases);
  }

  return (
    <section aria-labelledby="sign-in-title">
      <div className="section-head">
        <h1 id="sign-in-title">{t.signIn}</h1>
      </div>
      <form className="sign-in" onSubmit={submit} autoComplete="off">
        <label>
          {t.token}{" "}
          <input
            name="token"
            type="password"
            required
            spellCheck={false}
            autoComplete="off"
            placeholder={t.tokenHint}
          />
        </label>
        <button type="submit" className="primary">
          {t.signIn}
        </button>
      </form>
    </section>
  );
}
