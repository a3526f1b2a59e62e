// Loads and shows the view that the page's address names.

import { Component, type ComponentType, type ReactNode, useEffect, useState } from "react";
import { href, paths } from "../route/paths.js";
import { app as t } from "../text/en.js";
import { type View, viewOf } from "./views.js";

type Loaded = ComponentType<Readonly<Record<string, string>>>;

/** The components that have been loaded. */
const loaded = new Map<View, Loaded>();

export function CurrentView({ path }: { path: string }) {
  const found = viewOf(path);
  if (!found) {
    return (
      <section>
        <p>{t.unknownView}</p>
        <p>
          <a href={href(paths.home)}>{t.toHome}</a>
        </p>
      </section>
    );
  }
  return (
    <Boundary path={path}>
      <LazyView key={found.view.pattern} view={found.view} params={found.params} />
    </Boundary>
  );
}

function LazyView({ view, params }: { view: View; params: Readonly<Record<string, string>> }) {
  const [, setLoaded] = useState(0);
  const [failed, setFailed] = useState(false);
  const Shown = loaded.get(view);

  useEffect(() => {
    if (loaded.has(view)) return;
    let left = false;
    view.load().then(
      (component) => {
        loaded.set(view, component);
        if (!left) setLoaded((n) => n + 1);
      },
      () => !left && setFailed(true),
    );
    return () => {
      left = true;
    };
  }, [view]);

  if (failed) return <Failure text={t.stale} />;
  return Shown ? <Shown {...params} /> : <p className="muted">{t.loading}</p>;
}

/** Shows that a view threw, instead of an empty page. */
class Boundary extends Component<{ path: string; children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidUpdate({ path }: { path: string }) {
    if (path !== this.props.path && this.state.error !== undefined) {
      this.setState({ error: undefined });
    }
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return <Failure text={t.broken} detail={String(this.state.error)} />;
  }
}

function Failure({ text, detail }: { text: string; detail?: string }) {
  return (
    <section role="alert">
      <div className="notice error">
        <p className="notice-text">{text}</p>
        {detail && <p>{detail}</p>}
        <div className="notice-foot">
          <span />
          <button type="button" onClick={() => location.reload()}>
            {t.reload}
          </button>
        </div>
      </div>
    </section>
  );
}
