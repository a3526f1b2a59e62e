// A bar that shows a share.

import { providers as t } from "../text/en.js";
import { Bar } from "./Bar.js";
import { percent } from "./quantity.js";

/** Shows the used share of total. The bar is full if more is used than there is. */
export function Meter({ label, used, total }: { label: string; used: number; total: number }) {
  const part = total > 0 ? used / total : 0;
  const width = Math.min(1, part) * 100;
  return (
    <Bar
      label={label}
      value={Math.round(width)}
      max={100}
      text={total > 0 ? percent(part) : t.none}
      width={width}
      className={part > 1 ? "fill over" : part > 0.9 ? "fill high" : "fill"}
    />
  );
}
