// Signs in with a token that somebody pastes.

import { type FormEvent, useId, useState } from "react";
import { session as t } from "../text/en.js";
import { readToken, type TokenFacts } from "./read-token.js";
import { signInWithToken } from "./session.js";
import { keepToken } from "./storage.js";
import { Way } from "./Way.js";

export function TokenForm({ onDone }: { onDone: (token: TokenFacts) => void }) {
  const problemId = useId();
  const [problem, setProblem] = useState("");

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const token = readToken(String(fields.get("token") ?? ""));
    if (typeof token === "string") return setProblem(t.problems[token]);
    if (token.expires !== undefined && token.expires <= Date.now())
      return setProblem(t.expiredAt(new Date(token.expires).toLocaleString()));
    signInWithToken(token);
    if (fields.has("keep")) keepToken(token.token);
    onDone(token);
  }

  return (
    <Way
      title={t.token}
      why={t.tokenWhy}
      problem={problem}
      problemId={problemId}
      autoComplete="off"
      onSubmit={submit}
    >
      <label>
        {t.tokenLabel}
        <input
          name="token"
          type="password"
          required
          spellCheck={false}
          autoComplete="off"
          aria-describedby={problemId}
          placeholder="eyJ…"
        />
      </label>
      <label className="choice">
        <input type="checkbox" name="keep" /> {t.keepToken}
      </label>
      <div className="way-foot">
        <button type="submit" className="primary">
          {t.signIn}
        </button>
      </div>
    </Way>
  );
}
