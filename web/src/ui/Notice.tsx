// An error with what to do about it.

import { advice } from "../client/advice.js";
import { href, paths } from "../route/paths.js";
import { notice as t } from "../text/en.js";

/** What a Notice shows of an error; a ProviderError has all of it. */
interface Shown {
  message: string;
  code?: string;
  reason?: string | undefined;
  attempts?: number | undefined;
  requestId?: string | undefined;
}

const isShown = (error: unknown): error is Shown =>
  typeof error === "object" && error !== null && "message" in error;

/** Whether other credentials would help. */
const needsSignIn = ({ code, reason = "" }: Shown) =>
  code === "UNAUTHENTICATED" || reason === "scopeMissing" || reason === "wrongTenant";

/**
 * Shows an error, what to do about it, and a button to try again, if again is given. The
 * element around it should be a live region, such as one with the role alert.
 */
export function Notice({ error, again }: { error: unknown; again?: (() => void) | undefined }) {
  const shown = isShown(error) ? error : { message: String(error) };
  const { code, reason, attempts = 0, requestId } = shown;
  const facts = [
    code,
    reason,
    attempts > 1 && t.attempts(attempts),
    requestId && t.request(requestId),
  ].filter(Boolean);
  const hint = advice(shown);
  return (
    <div className="notice error">
      <p className="notice-text">{shown.message}</p>
      {hint && <p>{hint}</p>}
      <div className="notice-foot">
        <span className="muted">{facts.join(" · ")}</span>
        {needsSignIn(shown) && <a href={href(paths.signIn)}>{t.signIn}</a>}
        {again && (
          <button type="button" onClick={again}>
            {t.tryAgain}
          </button>
        )}
      </div>
    </div>
  );
}
