// A log that a page follows, and what it has received of it.

import type { Page } from "playwright-core";
import type { StreamOptions } from "../../src/index.js";
import type { ReplicaLog, TestProvider } from "../../src/testing/index.js";
import { until } from "./harness.js";

/** What a page has received of the logs that it follows. */
export interface Followed {
  text: Map<string, string[]>;
  lines: number;
  states: string[];
  gaps: number;
  /** How the stream ended; "" while it is open. */
  ended: string;
  /** How long the reader pauses after each batch, until it has that many lines. */
  pause?: { ms: number; until: number };
}

declare global {
  var followed: Followed;
}

/** The page of a test, which only has to run functions. */
export type Place = Pick<Page, "evaluate">;

/** Follows all logs in the page, slowly enough that faults occur while it reads. */
export function follow(
  page: Place,
  { ready }: TestProvider,
  options: StreamOptions = {},
): Promise<void> {
  const { provider, lease, jwt } = ready;
  return page.evaluate(
    ([provider, lease, token, options]) => {
      const seen: Followed = {
        text: new Map(),
        lines: 0,
        states: [],
        gaps: 0,
        ended: "",
      };
      globalThis.followed = seen;
      const stream = client.streamLogs({
        provider,
        lease,
        follow: true,
        auth: { type: "jwt", token },
        ...options,
        onState: (state) => seen.states.push(state),
        onGap: () => seen.gaps++,
      });
      const run = async () => {
        for await (const batch of stream.batches()) {
          for (const { service, replica, message } of batch) {
            const name = `${service}/${replica}`;
            const text = seen.text.get(name) ?? [];
            seen.text.set(name, text);
            text.push(message, "\n");
          }
          seen.lines += batch.length;
          const { ms, until } = seen.pause ?? { ms: 20, until: 20_000 };
          if (seen.lines < until) await new Promise((resolve) => setTimeout(resolve, ms));
        }
      };
      run().then(
        () => {
          seen.ended = "well";
        },
        (error) => {
          seen.ended = `${error.code}: ${error.message}`;
        },
      );
    },
    [provider, lease, jwt, options] as const,
  );
}

export const progress = (page: Place) =>
  page.evaluate(() => {
    const { lines, states, gaps, ended } = followed;
    return { lines, states, gaps, ended };
  });

/** Waits until the page has the given number of lines. */
export async function seen(page: Place, want: number): Promise<void> {
  await until(`${want} lines in the page`, 60_000, async () => {
    const { lines, ended } = await progress(page);
    if (ended) throw new Error(`the stream ended after ${lines} lines: ${ended}`);
    return lines >= want;
  });
}

/** What the page has received, in the form of the testserver's logs. */
export async function gathered(page: Place) {
  const logs = await page.evaluate(() =>
    Promise.all(
      Array.from(followed.text, async ([name, text]) => {
        const bytes = new TextEncoder().encode(text.join(""));
        const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        const sha256 = Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
        return { name, lines: text.length / 2, sha256 };
      }),
    ),
  );
  return logs.sort((a, b) => a.name.localeCompare(b.name));
}

export async function written(fake: TestProvider) {
  return (await fake.logs())
    .map(({ service, replica, lines, sha256 }) => ({
      name: `${service}/${replica}`,
      lines,
      sha256,
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

export const total = (logs: ReplicaLog[]) => logs.reduce((sum, { lines }) => sum + lines, 0);

/** Appends the same lines to every log, twice in a row. */
export async function write(fake: TestProvider): Promise<void> {
  for (const log of await fake.logs()) await fake.write(log, "tick\ntick\nlast é漢😀\n");
}
