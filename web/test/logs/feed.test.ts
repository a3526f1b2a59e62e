import { expect, test } from "vitest";
import { Feed, type FeedStream, type LogFeedStream } from "../../src/logs/feed.js";
import { LogStore } from "../../src/logs/store.js";
import { logs as texts } from "../../src/text/en.js";

type State = Parameters<Parameters<LogFeedStream["onState"]>[0]>;
type Gap = Parameters<Parameters<LogFeedStream["onGap"]>[0]>[0];

/** A stream whose batches, states and gaps the test gives. */
class Given<T> implements FeedStream<T> {
  readonly route = { method: "grpc" as const };
  retryAt: number | undefined;
  retryNow = () => {};
  #batches: T[][] = [];
  #wake = () => {};
  #end: { error?: Error } | undefined;
  state: (...state: State) => void = () => {};
  gap: (gap: Gap) => void = () => {};

  give(...batch: T[]): void {
    this.#batches.push(batch);
    this.#wake();
  }
  end(error?: Error): void {
    this.#end = error ? { error } : {};
    this.#wake();
  }
  async *batches(): AsyncGenerator<T[]> {
    for (;;) {
      const batch = this.#batches.shift();
      if (batch) yield batch;
      else if (this.#end?.error) throw this.#end.error;
      else if (this.#end) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
  onState(listener: (...state: State) => void): void {
    this.state = listener;
  }
  onGap(listener: (gap: Gap) => void): void {
    this.gap = listener;
  }
}

interface Event {
  type: string;
  reason: string;
  note: string;
  object: { kind: string; namespace: string; name: string };
  reportingController: string;
  reportingInstance: string;
}

const event = (reason: string, name: string): Event => ({
  type: "Normal",
  reason,
  note: `${reason} it`,
  object: { kind: "Pod", namespace: "x", name },
  reportingController: "",
  reportingInstance: "",
});

const line = (message: string) => ({ service: "web", replica: 0, message });

/** Waits until a condition holds; the feed works in tasks of its own. */
async function eventually(check: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !check(); i++) await new Promise((resolve) => setImmediate(resolve));
  expect(check()).toBe(true);
}

function feed(store = new LogStore(), before: Event[] = []) {
  const log = new Given<ReturnType<typeof line>>();
  const old = new Given<Event>();
  const events = new Given<Event>();
  old.give(...before);
  old.end();
  let signal: AbortSignal | undefined;
  const feed = new Feed(store, texts, {
    logs: async (given) => {
      signal = given;
      return log;
    },
    events: async (_, follow) => (follow ? events : old),
  });
  const shown = () =>
    Array.from({ length: store.length }, (_, i) => {
      const { kind, text } = store.line(store.first + i) ?? {};
      return kind === "line" ? text : `${kind}: ${text}`;
    });
  return { feed, log, events, store, shown, signal: () => signal };
}

const gone = Object.assign(new Error("the bridge does not answer"), { code: "UNAVAILABLE" });

test("lines and what happens between them are in the log in their order", async () => {
  const { feed: read, log, shown } = feed();
  read.start();
  expect(read.state.phase).toBe("connecting");
  log.give(line("one"));
  await eventually(() => shown().length === 1);
  log.state("open", undefined);
  log.state("reconnecting", gone as never);
  log.state("reconnecting", gone as never);
  expect(read.state).toMatchObject({ phase: "reconnecting", error: gone });
  log.state("open", undefined);
  log.gap({ service: "web", replica: 0, lost: null });
  log.give(line("two"));
  await eventually(() => shown().length === 5);
  log.end();
  await eventually(() => read.state.phase === "ended");
  expect(shown()).toEqual([
    "one",
    "lost: The connection broke: the bridge does not answer",
    expect.stringMatching(/^again: Connected again after/),
    "gap: Lines may be missing here.",
    "two",
    "end: End of the log.",
  ]);
  expect(read.state).toMatchObject({ error: undefined, method: "grpc" });
});

test("an error that ends the log is in it, and in the state", async () => {
  const { feed: read, log, shown } = feed();
  read.start();
  log.end(gone);
  await eventually(() => read.state.phase === "ended");
  expect(read.state.error).toBe(gone);
  expect(shown()).toEqual(["error: The log ended: the bridge does not answer"]);
});

test("what happens to pods is drawn, but not what had happened before", async () => {
  const before = [event("Started", "web-1"), event("Started", "web-1"), event("Pulled", "web-1")];
  const { feed: read, events, shown } = feed(new LogStore(), before);
  read.start();
  // The provider repeats what there was.
  events.give(...before, event("Killing", "web-1"), event("Pulled", "web-2"));
  events.give(event("Started", "web-2"), event("Started", "web-1"));
  await eventually(() => shown().length === 3);
  expect(shown()).toEqual([
    "restart: web-1: Killing. Killing it",
    "restart: web-2: Started. Started it",
    "restart: web-1: Started. Started it",
  ]);
});

test("a log that is stopped takes no further line", async () => {
  const { feed: read, log, shown, signal } = feed();
  read.start();
  log.give(line("one"));
  await eventually(() => shown().length === 1);
  read.stop();
  expect(signal()?.aborted).toBe(true);
  log.give(line("two"));
  log.state("reconnecting", gone as never);
  await new Promise((resolve) => setImmediate(resolve));
  expect(shown()).toEqual(["one", "end: Stopped."]);
  expect(read.state.phase).toBe("stopped");
});

test("a log whose oldest lines are being read is read no further until they are left", async () => {
  const store = new LogStore({ maxLines: 1_000 });
  const { feed: read, log } = feed(store);
  read.start();
  log.give(...Array.from({ length: 900 }, (_, i) => line(`line ${i}`)));
  await eventually(() => store.length === 900);
  store.pin(0);
  for (let i = 0; i < 10; i++) log.give(...Array.from({ length: 400 }, () => line("more")));
  await eventually(() => store.full);
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(store.line(0)?.text).toBe("line 0");
  expect(store.length).toBeLessThan(1_500);
  store.pin(undefined);
  await eventually(() => store.next === 4_900);
  expect(store.length).toBeLessThanOrEqual(1_000);
});
