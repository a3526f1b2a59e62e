// The views of the page. To add one: a pattern, and a function that loads the component,
// which gets the pattern's parameters as its props. Each view is a file of its own, loaded
// when it is opened; what several views import is shared between them.

import type { ComponentType } from "react";
import { match, type Params } from "../route/route.js";

/** A view of the page. */
export interface View {
  readonly pattern: string;
  /** Loads the component that shows it. */
  readonly load: () => Promise<ComponentType<Readonly<Record<string, string>>>>;
}

function view<Pattern extends string>(
  pattern: Pattern,
  load: () => Promise<ComponentType<Params<Pattern>>>,
): View {
  return { pattern, load: load as View["load"] };
}

export const views: readonly View[] = [
  view("/", async () => (await import("../providers/ProviderList.js")).ProviderList),
  view(
    "/provider/:provider",
    async () => (await import("../providers/ProviderPage.js")).ProviderPage,
  ),
  view("/leases", async () => (await import("../lease/LeaseList.js")).LeaseList),
  view(
    "/lease/:owner/:dseq/:gseq/:oseq/:provider/:view",
    async () => (await import("../lease/LeasePage.js")).LeasePage,
  ),
  view("/sign-in", async () => (await import("../session/SignIn.js")).SignIn),
];

/** Returns the view of a path, and the parameters in it; undefined if there is none. */
export function viewOf(
  path: string,
): { view: View; params: Readonly<Record<string, string>> } | undefined {
  for (const view of views) {
    const params = match(view.pattern, path);
    if (params) return { view, params };
  }
  return undefined;
}
