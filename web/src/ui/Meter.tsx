// A bar that shows a share.

import { providers as t } from "../text/en.js";
import { percent } from "./quantity.js";

/** Shows the used share of total. The bar is full if more is used than there is. */
export function Meter({ label, used, total }: { label: string; used: number; total: number }) {
  const part = total > 0 ? used / total : 0;
  const width = Math.min(1, part) * 100;
  return (
    // biome-ignore lint/a11y/useSemanticElements: browsers draw a meter each in their own way
    <div
      className="bar"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(width)}
      aria-valuetext={total > 0 ? percent(part) : t.none}
    >
      <span
        className={part > 1 ? "fill over" : part > 0.9 ? "fill high" : "fill"}
        style={{ width: `${width}%` }}
      />
    </div>
  );
}
