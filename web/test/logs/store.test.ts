import { expect, test } from "vitest";
import { type Entry, LogStore } from "../../src/logs/store.js";

const entries = (count: number, from = 0, message = (i: number) => `line ${i}`): Entry[] =>
  Array.from({ length: count }, (_, i) => ({
    service: i % 2 === 0 ? "web" : "db",
    replica: i % 3,
    message: message(from + i),
  }));

const never = new AbortController().signal;

test("lines are kept as they came, with their source, level and time", () => {
  const store = new LogStore();
  const messages = ["ERROR é", "日本語 \ud83d\ude00", "", "x".repeat(100_000), "{}"];
  for (let round = 0; round < 500; round++) {
    store.push(
      messages.map((message) => ({ service: "web", replica: round % 3, message })),
      1_000_000 + round,
    );
  }
  expect(store.length).toBe(2_500);
  for (const id of [0, 1, 2, 3, 4, 1_233, 2_499]) {
    const line = store.line(id);
    expect(line?.text).toBe(messages[id % 5]);
    expect(line?.level).toBe(id % 5 === 0 ? "error" : "");
    expect(line?.source).toMatchObject({ service: "web", replica: Math.floor(id / 5) % 3 });
    expect(line?.time).toBe(1_000_000 + Math.floor(id / 5));
  }
  expect(store.line(2_500)).toBeUndefined();
  expect(store.line(-1)).toBeUndefined();
});

test("when it is full, the oldest lines go, and the counts with them", () => {
  const store = new LogStore({ maxLines: 2_000 });
  for (let n = 0; n < 10_000; n += 100) store.push(entries(100, n));
  expect(store.length).toBeLessThanOrEqual(2_000);
  expect(store.length).toBeGreaterThan(2_000 - 512);
  expect(store.dropped + store.length).toBe(10_000);
  expect(store.line(store.first)?.text).toBe(`line ${store.first}`);
  expect(store.line(store.first - 1)).toBeUndefined();
  expect(store.line(9_999)?.text).toBe("line 9999");
  expect(store.sources.reduce((sum, { kept }) => sum + kept, 0)).toBe(store.length);
  expect(store.levelCounts[0]).toBe(store.length);
});

test("how many lines are kept can be changed", async () => {
  const store = new LogStore({ maxLines: 10_000 });
  for (let n = 0; n < 10_000; n += 100) store.push(entries(100, n));
  store.maxLines = 2_000;
  expect(store.length).toBeLessThanOrEqual(2_000);
  expect(store.line(9_999)?.text).toBe("line 9999");
  store.pin(store.first);
  store.push(entries(2_000, 10_000));
  const room = store.room(never);
  store.maxLines = 10_000;
  await room;
  expect(store.full).toBe(false);
});

test("text has a limit, too, and wide characters count twice", () => {
  const limit = 4_000_000;
  for (const letter of ["x", "日"]) {
    const store = new LogStore({ maxBytes: limit });
    for (let n = 0; n < 200; n++) store.push(entries(100, 0, () => letter.repeat(1_000)));
    expect(store.bytes).toBeLessThanOrEqual(limit);
    expect(store.bytes).toBeGreaterThan(limit - 300_000);
    expect(store.length).toBeGreaterThan(letter === "x" ? 3_500 : 1_750);
    expect(store.length).toBeLessThan(letter === "x" ? 4_000 : 2_000);
  }
});

test("a line that is being read is not dropped: reading the log waits", async () => {
  const store = new LogStore({ maxLines: 2_000 });
  store.push(entries(1_500));
  store.pin(10);
  store.push(entries(500, 1_500));
  expect(store.full).toBe(true);
  let went = false;
  const room = store.room(never).then(() => {
    went = true;
  });
  store.push(entries(100, 2_000)); // what was on its way
  await Promise.resolve();
  expect(went).toBe(false);
  expect(store.line(0)?.text).toBe("line 0");
  expect(store.dropped).toBe(0);

  store.pin(1_000);
  await room;
  expect(store.full).toBe(false);
  expect(store.length).toBeLessThanOrEqual(2_000);
  expect(store.line(1_000)?.text).toBe("line 1000");
});

test("who waits for room goes on when the log is stopped or cleared", async () => {
  const store = new LogStore({ maxLines: 1_000 });
  store.push(entries(1_100));
  store.pin(store.first);
  store.push(entries(1_100));
  const stop = new AbortController();
  const stopped = store.room(stop.signal);
  const cleared = store.room(never);
  stop.abort();
  await stopped;
  store.clear();
  await cleared;
  expect(store.length).toBe(0);
  store.push(entries(1));
  expect(store.length).toBe(1);
});

test("lines of a stack trace have the level of their error", () => {
  const store = new LogStore();
  const web = (message: string) => ({ service: "web", replica: 0, message });
  store.push([
    web("ERROR failed"),
    { service: "db", replica: 0, message: "INFO fine" },
    web("\tat Foo.bar(Foo.java:1)"),
    web("Caused by: x"),
    web("done"),
  ]);
  expect([0, 1, 2, 3, 4].map((id) => store.line(id)?.level)).toEqual([
    "error",
    "info",
    "error",
    "error",
    "",
  ]);
});

test("names of a provider do not fill the memory", () => {
  const store = new LogStore();
  store.push(
    Array.from({ length: 5_000 }, (_, i) => ({ service: `s${i}`, replica: 0, message: "" })),
  );
  expect(store.sources.length).toBe(1_000);
  expect(store.line(4_999)?.source?.service).toBe("…");
});
