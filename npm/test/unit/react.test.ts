// The stores behind the hooks, without React.
import { expect, test, vi } from "vitest";
import type { Client } from "../../src/client.js";
import { ProviderError } from "../../src/errors.js";
import { LogStore } from "../../src/react/logs.js";
import { Source } from "../../src/react/source.js";
import { Stream } from "../../src/stream.js";
import type { LogEntry, LogGap } from "../../src/types.js";

/** A stream of the test's items. */
function made() {
  const waiting: ((entries: LogEntry[] | undefined) => void)[] = [];
  let fail: (error: Error) => void = () => {};
  const close = vi.fn((error: Error) => fail(error));
  const hurry = vi.fn();
  let reads = 0;
  const stream = new Stream<LogEntry>(() => ({
    read() {
      reads++;
      return new Promise((resolve, reject) => {
        waiting.push(resolve);
        fail = reject;
      });
    },
    send() {},
    hurry,
    close,
  }));
  return {
    stream,
    close,
    hurry,
    reads: () => reads,
    async give(...messages: string[]) {
      await vi.waitFor(() => expect(waiting).toHaveLength(1));
      waiting.shift()?.(messages.map((message) => ({ service: "web", replica: 0, message })));
    },
    gap: (gap: LogGap) => stream.events.gap(gap),
  };
}

const client = {} as Client;
const source = new Source(() => client);

test("a store keeps the latest lines, and gaps for as long as the lines around them", async () => {
  const { stream, reads, give, gap } = made();
  const store = new LogStore(source, () => stream);
  store.setMaxLines(3);
  const stop = store.subscribe(() => {});
  await give("a", "b");
  await vi.waitFor(() => expect(reads()).toBe(2));
  gap({ service: "web", replica: 0, lost: null });
  await give("c", "d");
  await vi.waitFor(() =>
    expect(store.getSnapshot()).toMatchObject({
      lines: [
        { id: 1, message: "b" },
        { id: 2, message: "c" },
        { id: 3, message: "d" },
      ],
      gaps: [{ service: "web", replica: 0, lost: null, before: 2 }],
      dropped: 1,
    }),
  );
  await give("e", "f", "g", "h");
  await vi.waitFor(() =>
    expect(store.getSnapshot()).toMatchObject({ gaps: [], dropped: 5, lines: { length: 3 } }),
  );
  expect(
    store
      .getSnapshot()
      .lines.map(({ message }) => message)
      .join(""),
  ).toBe("fgh");
  stop();
});

test("a snapshot is a new one only if something changed", async () => {
  const { stream, give } = made();
  const store = new LogStore(source, () => stream);
  const stop = store.subscribe(() => {});
  await give("a");
  await vi.waitFor(() => expect(store.getSnapshot().lines).toHaveLength(1));
  const { lines } = store.getSnapshot();
  store.pause();
  store.resume();
  expect(store.getSnapshot()).toBe(store.getSnapshot());
  expect(store.getSnapshot().lines).toBe(lines);
  stop();
});

test("a store that gets a listener again at once continues; one without listeners closes its stream", async () => {
  const { stream, close, give } = made();
  const open = vi.fn(() => stream);
  const store = new LogStore(source, open);
  store.subscribe(() => {})();
  const stop = store.subscribe(() => {});
  await give("a");
  await vi.waitFor(() => expect(store.getSnapshot().lines).toHaveLength(1));
  expect(open).toHaveBeenCalledOnce();
  expect(close).not.toHaveBeenCalled();
  stop();
  await vi.waitFor(() => expect(close).toHaveBeenCalledOnce());
});

test("a snapshot has when the stream connects again, and how the provider was reached", async () => {
  const { stream, hurry, give } = made();
  const store = new LogStore(source, () => stream);
  const stop = store.subscribe(() => {});
  await give("a");
  stream.events.route?.({ method: "rest" });
  stream.events.state("reconnecting");
  stream.events.retry?.(1234);
  await vi.waitFor(() =>
    expect(store.getSnapshot()).toMatchObject({ retryAt: 1234, route: { method: "rest" } }),
  );
  store.retryNow();
  expect(hurry).toHaveBeenCalledOnce();
  // The next attempt failed for the same reason, which is no change of the state.
  stream.events.retry?.(5678);
  await vi.waitFor(() => expect(store.getSnapshot().retryAt).toBe(5678));
  stream.events.state("open");
  await vi.waitFor(() => expect(store.getSnapshot().retryAt).toBeUndefined());
  stop();
});

test("a store without listeners opens no stream, and a paused one does not read", async () => {
  const { stream, reads, give } = made();
  const open = vi.fn(() => stream);
  const store = new LogStore(source, open);
  expect(store.getSnapshot().state).toBe("connecting");
  await Promise.resolve();
  expect(open).not.toHaveBeenCalled();

  const stop = store.subscribe(() => {});
  await vi.waitFor(() => expect(reads()).toBe(1));
  store.pause();
  await give("a");
  await new Promise((resolve) => setTimeout(resolve));
  expect(reads()).toBe(1);
  expect(store.getSnapshot()).toMatchObject({ lines: [], paused: true });
  store.resume();
  expect(store.getSnapshot().lines).toHaveLength(1);
  await vi.waitFor(() => expect(reads()).toBe(2));
  stop();
});

test("restart creates a client again that could not be created", async () => {
  const error = new ProviderError({ code: "UNAVAILABLE", message: "cannot load the module" });
  const make = vi.fn().mockRejectedValueOnce(error).mockResolvedValue(client);
  const { stream, give } = made();
  const store = new LogStore(new Source(make), () => stream);
  const stop = store.subscribe(() => {});
  await vi.waitFor(() => expect(store.getSnapshot()).toMatchObject({ state: "ended", error }));
  store.restart();
  expect(store.getSnapshot()).toMatchObject({ state: "connecting", error: undefined });
  await give("a");
  await vi.waitFor(() => expect(store.getSnapshot().lines).toHaveLength(1));
  expect(make).toHaveBeenCalledTimes(2);
  stop();
});
