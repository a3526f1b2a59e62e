// All providers of the chain.

import { type FormEvent, useDeferredValue, useId, useMemo, useState } from "react";
import { href, paths } from "../route/paths.js";
import { navigate } from "../route/route.js";
import { providers as t } from "../text/en.js";
import { isAddress } from "../ui/address.js";
import { Notice } from "../ui/Notice.js";
import { Asking } from "./Asking.js";
import { ProviderTable } from "./ProviderTable.js";
import { type Order, searchRows, sortRows } from "./rows.js";
import { useDiscovery } from "./use-discovery.js";

export function ProviderList() {
  const id = useId();
  const [live, setLive] = useState(true);
  const [search, setSearch] = useState("");
  const [onlineOnly, setOnlineOnly] = useState(false);
  const [order, setOrder] = useState<Order>({ by: "state", descending: false });
  const { rows, asked, busy, at, error, ask, stop } = useDiscovery(live);

  const wanted = useDeferredValue(search);
  const shown = useMemo(() => {
    const found = searchRows(rows, wanted);
    return sortRows(onlineOnly ? found.filter(({ state }) => state === "online") : found, order);
  }, [rows, wanted, onlineOnly, order]);
  const online = rows.filter(({ state }) => state === "online").length;
  const round = at ? t.round(online, rows.length, at.toLocaleTimeString()) : "";
  const typed = search.trim();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const [only, another] = shown;
    if (isAddress(typed)) navigate(paths.provider(typed));
    else if (only && !another) navigate(paths.provider(only.address));
  }

  return (
    <section aria-labelledby={`${id}-title`}>
      <div className="section-head">
        <h1 id={`${id}-title`}>{t.all}</h1>
        <p id="discovery-line" className="muted">
          {busy ? (rows.length > 0 ? t.progress(asked, rows.length) : t.listing) : round}
        </p>
        {/* Only a complete round is spoken: what arrives in between would flood it. */}
        <p className="visually-hidden" role="status">
          {busy ? "" : round}
        </p>
        <Asking live={live} onLive={setLive} busy={busy} ask={ask} cancel={stop} />
      </div>
      <div id="discovery-notice" role="alert">
        {error !== undefined && <Notice error={error} again={ask} />}
      </div>
      <form className="pick" onSubmit={submit}>
        <label className="visually-hidden" htmlFor={`${id}-find`}>
          {t.find}
        </label>
        <input
          id={`${id}-find`}
          data-find
          type="search"
          value={search}
          onChange={({ currentTarget }) => setSearch(currentTarget.value)}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          placeholder={t.findHint}
          maxLength={128}
        />
        <label className="switch">
          <input
            type="checkbox"
            checked={onlineOnly}
            onChange={({ currentTarget }) => setOnlineOnly(currentTarget.checked)}
          />{" "}
          {t.onlineOnly}
        </label>
      </form>
      <p className="muted found" role="status">
        {wanted.trim() &&
          rows.length > 0 &&
          (shown.length > 0 ? t.found(shown.length) : t.noneFound)}
      </p>
      {isAddress(typed) && (
        <p>
          <a href={href(paths.provider(typed))}>{t.openAddress(typed)}</a>
        </p>
      )}
      {rows.length > 0 && <ProviderTable rows={shown} order={order} onOrder={setOrder} />}
    </section>
  );
}
