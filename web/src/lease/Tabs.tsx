// The parts of a lease as tabs: https://www.w3.org/WAI/ARIA/apg/patterns/tabs/, with the
// focus moved by the arrow keys and a tab opened by Enter, since opening one asks the provider.

import { type ComponentType, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { type LeaseRef, paths } from "../route/paths.js";
import { navigate } from "../route/route.js";
import { app, lease as t } from "../text/en.js";
import { type PartProps, type TabName, tabNames, tabs } from "./tab.js";

type Part = ComponentType<PartProps>;

const loaded = new Map<TabName, Part>();

export function Tabs({ lease, tab, parts }: { lease: LeaseRef; tab: TabName; parts: PartProps }) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  // A part that has been opened stays: a shell goes on, and so does a download.
  const [opened, setOpened] = useState<readonly TabName[]>([tab]);
  if (!opened.includes(tab)) setOpened([...opened, tab]);

  function move(event: KeyboardEvent<HTMLDivElement>) {
    const buttons = [...(list.current?.querySelectorAll<HTMLElement>("[role=tab]") ?? [])];
    const at = buttons.indexOf(event.target as HTMLElement);
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: buttons.length - 1,
    }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    buttons[(to + buttons.length) % buttons.length]?.focus();
  }

  return (
    <div className="lease-parts">
      <div ref={list} className="tabs" role="tablist" aria-label={t.tabs} onKeyDown={move}>
        {tabNames.map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`${id}-${name}`}
            aria-selected={name === tab}
            aria-controls={opened.includes(name) ? `${id}-${name}-panel` : undefined}
            tabIndex={name === tab ? 0 : -1}
            onClick={() => navigate(paths.lease(lease, name))}
          >
            {t.tab[name]}
          </button>
        ))}
      </div>
      {opened.map((name) => (
        <div
          key={name}
          role="tabpanel"
          id={`${id}-${name}-panel`}
          aria-labelledby={`${id}-${name}`}
          hidden={name !== tab}
        >
          <LazyPart name={name} parts={parts} />
        </div>
      ))}
    </div>
  );
}

function LazyPart({ name, parts }: { name: TabName; parts: PartProps }) {
  const [, setLoaded] = useState(0);
  const [failed, setFailed] = useState(false);
  const Shown = loaded.get(name);

  useEffect(() => {
    if (loaded.has(name)) return;
    let left = false;
    tabs[name]().then(
      (component) => {
        loaded.set(name, component);
        if (!left) setLoaded((n) => n + 1);
      },
      () => !left && setFailed(true),
    );
    return () => {
      left = true;
    };
  }, [name]);

  if (failed) {
    return (
      <section role="alert">
        <div className="notice error">
          <p className="notice-text">{t.failedPart}</p>
          <div className="notice-foot">
            <span />
            <button type="button" onClick={() => location.reload()}>
              {app.reload}
            </button>
          </div>
        </div>
      </section>
    );
  }
  if (!Shown) return <p className="muted">{t.loading}</p>;
  return <Shown {...parts} />;
}
