// Many providers, of which only the visible ones are in the page: a table, or cards where
// there is no room for its columns.

import { type CSSProperties, memo, useEffect, useLayoutEffect, useRef, useState } from "react";
import { href, paths } from "../route/paths.js";
import { providers as t } from "../text/en.js";
import { short } from "../ui/address.js";
import { amount, bytes, count } from "../ui/quantity.js";
import type { Column, Order, Row, Use } from "./rows.js";

// In pixels; must match providers.css.
const rowHeight = 44;
const cardHeight = { narrow: 144, wide: 118 };

/** The narrowest list that has room for all columns, and for the figures of a card in a line. */
const widths = { table: 1_000, line: 560 };

/** How many rows more than the visible ones are there, above and below. */
const spare = 6;

const columns = Object.keys(t.columns) as Column[];

/** What is sorted with the largest first, when it is chosen. */
const largestFirst = new Set<Column>(["leases", "cpu", "gpu", "memory", "storage", "version"]);

interface ListProps {
  rows: readonly Row[];
  order: Order;
  onOrder: (order: Order) => void;
}

export function ProviderTable({ rows, order, onOrder }: ListProps) {
  const scroller = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(0);
  const [first, setFirst] = useState(0);
  const [visible, setVisible] = useState(20);
  const cards = width < widths.table;
  const height = cards ? cardHeight[width < widths.line ? "narrow" : "wide"] : rowHeight;

  // Before the first paint, so that nobody sees the other layout.
  useLayoutEffect(() => setWidth(scroller.current?.clientWidth ?? 0), []);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const scrolled = () => setFirst(Math.floor(element.scrollTop / height));
    scrolled();
    element.addEventListener("scroll", scrolled, { passive: true });
    const resized = new ResizeObserver(() => {
      setWidth(element.clientWidth);
      setVisible(Math.ceil(element.clientHeight / height));
    });
    resized.observe(element);
    return () => {
      element.removeEventListener("scroll", scrolled);
      resized.disconnect();
    };
  }, [height]);

  const begin = Math.max(0, Math.min(first, rows.length - visible) - spare);
  const end = Math.min(rows.length, begin + visible + 2 * spare);
  const shown = { rows: rows.slice(begin, end), begin, count: rows.length };
  const space = { above: begin * height, below: (rows.length - end) * height };
  const choose = (by: Column, again = order.by === by) =>
    onOrder({ by, descending: again ? !order.descending : largestFirst.has(by) });

  return (
    <>
      {cards && <SortBy order={order} onChoose={choose} />}
      <section
        ref={scroller}
        className={cards ? "table providers cards-list" : "table providers"}
        aria-label={t.table}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled must be reachable by keyboard
        tabIndex={0}
      >
        {cards ? (
          <Cards {...shown} space={space} line={width >= widths.line} />
        ) : (
          <Table {...shown} space={space} order={order} onChoose={choose} />
        )}
      </section>
    </>
  );
}

interface ShownProps {
  /** The rows in the page. */
  rows: readonly Row[];
  /** Where they begin, and of how many. */
  begin: number;
  count: number;
  /** How high what is not in the page is, in pixels. */
  space: { above: number; below: number };
}

function Table({
  rows,
  begin,
  count,
  space,
  order,
  onChoose,
}: ShownProps & { order: Order; onChoose: (by: Column) => void }) {
  return (
    <table aria-rowcount={count + 1}>
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
              <button type="button" onClick={() => onChoose(column)}>
                {t.columns[column]}
              </button>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        <Space height={space.above} />
        {rows.map((row, i) => (
          <ProviderRow key={row.address} row={row} index={begin + i + 2} />
        ))}
        <Space height={space.below} />
      </tbody>
    </table>
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
  const { version, method, latency, leases, free } = row;
  return (
    <tr aria-rowindex={index}>
      <td className="col-state">
        <State row={row} />
      </td>
      <th scope="row" className="col-address">
        <Address row={row} />
      </th>
      <td className="col-version">{version}</td>
      <td className="col-method">{method}</td>
      <td className="col-latency">{latency !== undefined && t.milliseconds(latency)}</td>
      <td className="col-leases">{leases !== undefined && count(leases)}</td>
      <td className="col-cpu">
        <Free {...numbers(row.cpu)} />
      </td>
      <td className="col-gpu" title={free && models(free)}>
        {of(numbers(row.gpu))}
        {free && free.length > 0 && <span className="second">{t.models(models(free))}</span>}
      </td>
      <td className="col-memory">
        <Free {...sizes(row.memory)} />
      </td>
      <td className="col-storage">
        <Free {...sizes(row.storage)} />
      </td>
    </tr>
  );
});

/** Chooses the order of cards, which have no headers to press. */
function SortBy({
  order,
  onChoose,
}: {
  order: Order;
  onChoose: (by: Column, again?: boolean) => void;
}) {
  return (
    <div className="sort-by">
      <label className="pick-one">
        {t.sortBy}{" "}
        <select
          value={order.by}
          onChange={({ currentTarget }) => onChoose(currentTarget.value as Column, false)}
        >
          {columns.map((column) => (
            <option key={column} value={column}>
              {t.columns[column]}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => onChoose(order.by, true)}>
        {t.reverse}
      </button>
    </div>
  );
}

function Cards({ rows, begin, count, space, line }: ShownProps & { line: boolean }) {
  const style: CSSProperties = { paddingTop: space.above, paddingBottom: space.below };
  return (
    <ul className={line ? "provider-cards line" : "provider-cards"} style={style}>
      {rows.map((row, i) => (
        <ProviderCard key={row.address} row={row} position={begin + i + 1} count={count} />
      ))}
    </ul>
  );
}

const ProviderCard = memo(function ProviderCard({
  row,
  position,
  count: all,
}: {
  row: Row;
  position: number;
  count: number;
}) {
  const { version, method, latency, leases, free } = row;
  const facts = [
    version,
    method,
    latency !== undefined && t.milliseconds(latency),
    leases !== undefined && t.leases(leases),
  ].filter(Boolean);
  const figures: [string, string, string | undefined][] = [
    [t.columns.cpu, of(numbers(row.cpu)), undefined],
    [t.columns.gpu, of(numbers(row.gpu)), free && models(free)],
    [t.columns.memory, of(sizes(row.memory)), undefined],
    [t.columns.storage, of(sizes(row.storage)), undefined],
  ];
  return (
    <li className="provider-card" aria-posinset={position} aria-setsize={all}>
      <div className="provider-card-head">
        <Address row={row} />
        <span className="provider-card-state">
          <State row={row} />
        </span>
      </div>
      <p className="muted">{facts.join(" · ") || row.error?.message}</p>
      <dl>
        {figures.map(([name, value, more]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd title={more}>
              {value || t.unknown}
              {more && <span className="second">{more}</span>}
            </dd>
          </div>
        ))}
      </dl>
    </li>
  );
});

function State({ row: { state, error } }: { row: Row }) {
  const why = error?.reason ?? error?.code;
  return (
    <>
      <span className={`dot ${state}`} aria-hidden="true" />
      {why ? <span title={error?.message}>{why}</span> : t.states[state]}
    </>
  );
}

function Address({ row: { address } }: { row: Row }) {
  return (
    <a href={href(paths.provider(address))} title={address}>
      {short(address)}
    </a>
  );
}

/** What is free, and of how much. */
interface FreeOf {
  free: string;
  total: string;
}

/** "12" and below it "of 64". */
function Free({ free, total }: FreeOf) {
  return (
    <>
      {free} {total && <span className="second">{t.of(total)}</span>}
    </>
  );
}

const of = ({ free, total }: FreeOf) => (total ? t.freeOf(free, total) : "");

const models = (free: NonNullable<Row["free"]>) =>
  free.map(([name, n]) => `${n} × ${name}`).join(", ");

const nothing: FreeOf = { free: "", total: "" };

function numbers(use: Use | undefined): FreeOf {
  if (!use?.total) return nothing;
  return { free: amount(Math.max(0, use.total - use.used)), total: amount(use.total) };
}

function sizes(use: Use | undefined): FreeOf {
  if (!use?.total) return nothing;
  const { texts, unit } = bytes(Math.max(0, use.total - use.used), use.total);
  return { free: texts[0] ?? "", total: `${texts[1]} ${unit}` };
}
