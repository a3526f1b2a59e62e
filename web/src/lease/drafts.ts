// Manifests that somebody has changed and not sent. They are kept in memory while the page is
// open, so that looking at another view loses nothing, and leaving the page asks first.

import { useCallback, useState } from "react";

const drafts = new Map<string, string>();

// Browsers ask with a text of their own.
const ask = (event: BeforeUnloadEvent) => event.preventDefault();

function keep(key: string, text: string | undefined): void {
  if (text === undefined) drafts.delete(key);
  else drafts.set(key, text);
  // A page that always listened would be kept out of the back/forward cache of some browsers.
  if (drafts.size > 0) addEventListener("beforeunload", ask);
  else removeEventListener("beforeunload", ask);
}

/** Returns the changed text of what the key names, undefined if there is none, and sets it. */
export function useDraft(
  key: string,
): readonly [string | undefined, (text: string | undefined) => void] {
  const [, render] = useState(0);
  const set = useCallback(
    (text: string | undefined) => {
      keep(key, text);
      render((n) => n + 1);
    },
    [key],
  );
  return [drafts.get(key), set];
}
