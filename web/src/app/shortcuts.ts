// The keys of the page. They are listed under "?".

import { paths } from "../route/paths.js";
import { navigate } from "../route/route.js";
import { shortcuts as t } from "../text/en.js";

/** What a key, or two keys one after the other, do. */
interface Shortcut {
  readonly keys: string;
  readonly what: string;
  readonly run: () => void;
}

/** How long after the first of two keys the second may come, in milliseconds. */
const together = 1_500;

/** Goes to the first field for a search in the view. */
function find(): void {
  document.querySelector<HTMLElement>("main [data-find], main input[type=search]")?.focus();
}

const press = (selector: string) => () =>
  document.querySelector<HTMLButtonElement>(selector)?.click();

/** The shortcuts that change where the page is. */
export const shortcuts: readonly Shortcut[] = [
  { keys: "g p", what: t.providers, run: () => navigate(paths.home) },
  { keys: "g l", what: t.leases, run: () => navigate(paths.leases) },
  { keys: "g s", what: t.signIn, run: () => navigate(paths.signIn) },
  { keys: "/", what: t.find, run: find },
  { keys: "r", what: t.refresh, run: press("main [data-refresh]:enabled") },
];

/** Whether somebody types a text there, to which a key then belongs. */
const isTyping = (target: EventTarget | null) =>
  target instanceof Element &&
  target.closest(
    "input:not([type=checkbox]), textarea, select, [contenteditable], .xterm, dialog",
  ) !== null;

/** Listens to the keys until the signal. help is called for "?". */
export function listenToKeys(help: () => void, signal: AbortSignal): void {
  const all = [...shortcuts, { keys: "?", what: t.help, run: help }];
  let first = "";
  let at = 0;
  addEventListener(
    "keydown",
    (event) => {
      const { key, ctrlKey, metaKey, altKey, repeat, target, timeStamp } = event;
      if (ctrlKey || metaKey || altKey || repeat || isTyping(target)) return;
      const pair = timeStamp - at < together ? `${first} ${key}` : key;
      const found = all.find(({ keys }) => keys === pair) ?? all.find(({ keys }) => keys === key);
      first = found ? "" : key;
      at = timeStamp;
      if (!found) return;
      event.preventDefault();
      found.run();
    },
    { signal },
  );
}
