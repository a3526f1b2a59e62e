// What is around every view: the header with the navigation, and the view itself.

import { href, paths } from "../route/paths.js";
import { usePath } from "../route/route.js";
import { SessionMenu } from "../session/SessionMenu.js";
import { lease, providers, app as t } from "../text/en.js";
import { CurrentView } from "./CurrentView.js";
import { Help } from "./Help.js";

export function Shell() {
  const path = usePath();
  return (
    <>
      <button
        type="button"
        className="skip"
        onClick={() => document.getElementById("main")?.focus()}
      >
        {t.skip}
      </button>
      <header className="top">
        <a className="brand" href={href(paths.home)}>
          <Logo />
          <span>{t.title}</span>
        </a>
        <nav className="nav" aria-label={t.navigation}>
          <NavLink path={paths.home} isHere={path === "/" || path.startsWith("/provider")}>
            {providers.navigation}
          </NavLink>
          <NavLink path={paths.leases} isHere={path.startsWith("/lease")}>
            {lease.navigation}
          </NavLink>
        </nav>
        <Help />
        <SessionMenu />
      </header>
      <main id="main" tabIndex={-1}>
        <CurrentView path={path} />
      </main>
    </>
  );
}

function NavLink(props: { path: string; isHere: boolean; children: string }) {
  return (
    <a href={href(props.path)} aria-current={props.isHere ? "page" : undefined}>
      {props.children}
    </a>
  );
}

function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M16 7 25 23H19.5L16 16.5 12.5 23H7Z" />
    </svg>
  );
}
