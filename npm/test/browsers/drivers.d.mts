import type { Browser } from "playwright-core";

/** The names of the browsers, for the environment variable BROWSER. */
export const names: string[];

/**
 * Starts a browser with a profile of its own. It has only a part of the type's methods;
 * every other one throws.
 */
export function launch(name: string): Promise<Browser & OtherBrowser>;

export interface OtherBrowser {
  /** The process whose children the browser is, or which it is itself. */
  pid(): number;

  /** How many workers all pages have. WebKitGTK's only, which does not know those of a page. */
  workerCount(): Promise<number>;
}
