// A table of many providers, of which only the visible rows are in the page.

import { type CSSProperties, memo, useEffect, useRef, useState } from "react";
import { href, paths } from "../route/paths.js";
import { providers as t } from "../text/en.js";
import { short } from "../ui/address.js";
import { amount, bytes, count } from "../ui/quantity.js";
import type { Column, Order, Row, Use } from "./rows.js";

// In pixels; must match providers.css.
const rowHeight = 44;

/** How many rows more than the visible ones are there, above and below. */
const spare = 6;

const columns = Object.keys(t.columns) as Column[];

/** What is sorted with the largest first, when it is chosen. */
const largestFirst = new Set<Column>(["leases", "cpu", "gpu", "memory", "storage", "version"]);

export function ProviderTable({
  rows,
  order,
  onOrder,
}: {
  rows: readonly Row[];
  order: Order;
  onOrder: (order: Order) => void;
}) {
  const scroller = useRef<HTMLElement>(null);
  const [first, setFirst] = useState(0);
  const [visible, setVisible] = useState(20);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const look = () => {
      setFirst(Math.floor(element.scrollTop / rowHeight));
      setVisible(Math.ceil(element.clientHeight / rowHeight));
    };
    look();
    element.addEventListener("scroll", look, { passive: true });
    const resized = new ResizeObserver(look);
    resized.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      resized.disconnect();
    };
  }, []);

  const begin = Math.max(0, Math.min(first, rows.length - visible) - spare);
  const end = Math.min(rows.length, begin + visible + 2 * spare);
  const choose = (by: Column) =>
    onOrder({ by, descending: order.by === by ? !order.descending : largestFirst.has(by) });

  return (
    <section
      ref={scroller}
      className="table providers"
      aria-label={t.table}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled must be reachable by keyboard
      tabIndex={0}
    >
      <table aria-rowcount={rows.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <th
                key={column}
                scope="col"
                className={`col-${column}`}
                aria-sort={
                  order.by !== column ? undefined : order.descending ? "descending" : "ascending"
                }
              >
                <button type="button" onClick={() => choose(column)}>
                  {t.columns[column]}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Space height={begin * rowHeight} />
          {rows.slice(begin, end).map((row, i) => (
            <ProviderRow key={row.address} row={row} index={begin + i + 2} />
          ))}
          <Space height={(rows.length - end) * rowHeight} />
        </tbody>
      </table>
    </section>
  );
}

/** The place of rows that are not in the page. */
function Space({ height }: { height: number }) {
  if (height <= 0) return null;
  const style: CSSProperties = { height };
  return (
    <tr className="space">
      <td colSpan={columns.length} style={style} />
    </tr>
  );
}

const ProviderRow = memo(function ProviderRow({ row, index }: { row: Row; index: number }) {
  const { address, state, error, version, method, latency, leases } = row;
  const why = error?.reason ?? error?.code;
  return (
    <tr aria-rowindex={index}>
      <td className="col-state">
        <span className={`dot ${state}`} aria-hidden="true" />
        {why ? <span title={error?.message}>{why}</span> : t.states[state]}
      </td>
      <th scope="row" className="col-address">
        <a href={href(paths.provider(address))} title={address}>
          {short(address)}
        </a>
      </th>
      <td className="col-version">{version}</td>
      <td className="col-method">{method}</td>
      <td className="col-latency">{latency !== undefined && t.milliseconds(latency)}</td>
      <td className="col-leases">{leases !== undefined && count(leases)}</td>
      <td className="col-cpu">{numbers(row.cpu)}</td>
      <td className="col-gpu" title={row.free?.map(([name, n]) => `${n} × ${name}`).join(", ")}>
        {numbers(row.gpu)}
        {row.free && row.free.length > 0 && (
          <span className="models">
            {t.models(row.free.map(([name, n]) => `${n} × ${name}`).join(", "))}
          </span>
        )}
      </td>
      <td className="col-memory">{sizes(row.memory)}</td>
      <td className="col-storage">{sizes(row.storage)}</td>
    </tr>
  );
});

/** "12 of 64": what is free. */
function numbers(use: Use | undefined): string {
  if (!use?.total) return "";
  return t.freeOf(amount(Math.max(0, use.total - use.used)), amount(use.total));
}

function sizes(use: Use | undefined): string {
  if (!use?.total) return "";
  const { texts, unit } = bytes(Math.max(0, use.total - use.used), use.total);
  return `${t.freeOf(texts[0] ?? "", texts[1] ?? "")} ${unit}`;
}
