// The list of keys under "?".

import { useEffect, useState } from "react";
import { shortcuts as t } from "../text/en.js";
import { Dialog } from "../ui/Dialog.js";
import { listenToKeys, shortcuts } from "./shortcuts.js";

/** A button that shows the list, which the key "?" shows as well. */
export function Help() {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const gone = new AbortController();
    listenToKeys(() => setOpen(true), gone.signal);
    return () => gone.abort();
  }, []);
  const rows = [...shortcuts, { keys: "?", what: t.help }, ...t.elsewhere];
  return (
    <>
      <button type="button" className="help" aria-label={t.help} onClick={() => setOpen(true)}>
        ?
      </button>
      {open && (
        <Dialog
          title={t.title}
          onClose={() => setOpen(false)}
          actions={
            <button type="button" onClick={() => setOpen(false)}>
              {t.close}
            </button>
          }
        >
          <dl className="keys">
            {rows.map(({ keys, what }) => (
              <div key={`${keys} ${what}`}>
                <dt>
                  {keys.split(" ").map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </Dialog>
      )}
    </>
  );
}
