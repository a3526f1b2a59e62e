// Whether something is asked again by itself, and the button to ask now, or to stop asking.

import { providers as t } from "../text/en.js";

export function Asking({
  live,
  onLive,
  busy,
  ask,
  cancel,
}: {
  live: boolean;
  onLive: (live: boolean) => void;
  busy: boolean;
  ask: () => void;
  cancel: () => void;
}) {
  return (
    <>
      <label className="switch">
        <input
          type="checkbox"
          checked={live}
          onChange={({ currentTarget }) => onLive(currentTarget.checked)}
        />{" "}
        {t.live}
      </label>
      {busy ? (
        <button type="button" onClick={cancel}>
          {t.cancel}
        </button>
      ) : (
        <button type="button" data-refresh onClick={ask}>
          {t.refresh}
        </button>
      )}
    </>
  );
}
