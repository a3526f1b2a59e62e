// Copies a text.

import { useEffect, useState } from "react";
import { copy as t } from "../text/en.js";

/** A button that copies a text, and says whether it could. */
export function CopyButton({ text }: { text: string }) {
  const [done, setDone] = useState<string>();

  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(undefined), 2000);
    return () => clearTimeout(timer);
  }, [done]);

  return (
    <button
      type="button"
      className="copy"
      aria-label={t.what(text)}
      onClick={() =>
        copyText(text).then(
          () => setDone(t.copied),
          () => setDone(t.failed),
        )
      }
    >
      <span aria-live="polite">{done ?? t.copy}</span>
    </button>
  );
}

/** Copies a text, also on pages over plain HTTP, which have no clipboard of their own. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("the browser does not copy");
}
