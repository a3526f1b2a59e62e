import { expect, test } from "vitest";
import { type Filter, Rows } from "../../src/logs/rows.js";
import { type Request, search } from "../../src/logs/search.js";
import { Searcher, type SearchPort, TooSlow } from "../../src/logs/searcher.js";
import { LogStore } from "../../src/logs/store.js";

/** A worker that answers at once, or never. */
function port(answers = true): SearchPort {
  const port: SearchPort = {
    postMessage(request: Request) {
      if (answers) queueMicrotask(() => port.onmessage?.({ data: search(request) }));
    },
    terminate() {
      port.onmessage = null;
    },
    onmessage: null,
    onerror: null,
  };
  return port;
}

function log(lines: number, open = () => port()): { store: LogStore; rows: Rows } {
  const store = new LogStore({ maxLines: 10_000 });
  for (let i = 0; i < lines; i++) store.push([entry(i)]);
  const rows = new Rows(store, new Searcher(open, 20));
  rows.update();
  return { store, rows };
}

const entry = (i: number) => ({
  service: i % 2 === 0 ? "web" : "db",
  replica: 0,
  message: i % 10 === 0 ? `ERROR Needle ${i}` : `INFO line ${i}`,
});

const query = (text: string, further: Partial<Filter["query"]> = {}) => ({
  text,
  regex: false,
  matchCase: false,
  ...further,
});

/** Filters, and waits until the search has ended. */
function filter(rows: Rows, filter: Filter): Promise<Error | undefined> {
  return new Promise((resolve) => {
    rows.onSearch = (error) => {
      const { searched, of } = rows.progress;
      if (error || searched === of) resolve(error);
    };
    rows.setFilter(filter);
  });
}

const shown = (rows: Rows) => [...rows.from(0)];

test("all lines are shown, each at its place", () => {
  const { rows, store } = log(3_000);
  expect(rows.length).toBe(3_000);
  expect(rows.height).toBe(60_000);
  expect(rows.at(0)).toEqual({ id: 0, top: 0 });
  expect(rows.at(20_010)).toEqual({ id: 1_000, top: 20_000 });
  expect(rows.at(1e9)).toEqual({ id: 2_999, top: 59_980 });
  expect(rows.place(2_000)).toEqual({ id: 2_000, top: 40_000 });
  expect(rows.place(3_000)).toBeUndefined();
  store.push([entry(3_000)]);
  rows.update();
  expect(rows.length).toBe(3_001);
  expect(rows.last).toBe(3_000);
});

test("a filter shows the lines of some sources and levels, and the marks", () => {
  const { rows, store } = log(2_000);
  store.mark("lost", "gone");
  rows.setFilter({ source: ({ service }) => service === "web", levels: new Set(["error"]) });
  expect(rows.length).toBe(201);
  expect(shown(rows).slice(0, 3)).toEqual([0, 10, 20]);
  store.push([entry(2_010), entry(2_011)]);
  rows.update();
  expect(rows.length).toBe(202);
  expect(rows.place(11)).toEqual({ id: 20, top: 40 });
  expect([...rows.before(20)]).toEqual([10, 0]);
  expect(rows.countFrom(1_990)).toBe(3);
});

test("a search finds lines in any case, and hides nothing", async () => {
  const { rows, store } = log(2_000);
  expect(await filter(rows, { query: query("needle") })).toBeUndefined();
  expect(rows.hits).toBe(200);
  expect(rows.length).toBe(2_000);
  expect([rows.nextHit(-1), rows.nextHit(0), rows.nextHit(1_985)]).toEqual([0, 10, 1_990]);
  expect(rows.nextHit(1_990)).toBeUndefined();
  expect([rows.previousHit(2_000), rows.previousHit(10), rows.previousHit(0)]).toEqual([
    1_990,
    0,
    undefined,
  ]);
  expect(rows.hitRank(1_000)).toBe(101);
  expect(rows.isHit(10)).toBe(true);
  expect(rows.isHit(11)).toBe(false);

  // What arrives is searched as well.
  const found = new Promise<void>((resolve) => {
    rows.onSearch = () => resolve();
  });
  store.push([entry(2_000)]);
  rows.update();
  await found;
  expect(rows.hits).toBe(201);
});

test("a search can heed case, and hide what does not match", async () => {
  const { rows } = log(2_000);
  await filter(rows, { query: query("needle", { matchCase: true }), onlyMatches: true });
  expect(rows.length).toBe(0);
  await filter(rows, { query: query("Needle", { matchCase: true }), onlyMatches: true });
  expect(shown(rows).slice(0, 3)).toEqual([0, 10, 20]);
  await filter(rows, { query: query("^ERROR .* (1|2)0$", { regex: true }), onlyMatches: true });
  expect(shown(rows)).toEqual([10, 20]);
  await filter(rows, { query: query("(1|2)0$") });
  expect(rows.hits).toBe(0);
});

test("matches are found in the text without escape sequences", async () => {
  const { rows } = log(1);
  await filter(rows, { query: query("er") });
  const found = await rows.matches(["\u001b[31mER\u001b[0mROR er", "none"]);
  expect(found).toEqual([
    [
      { start: 0, end: 2 },
      { start: 6, end: 8 },
    ],
    [],
  ]);
});

test("a search that does not end is stopped, and the next one works", async () => {
  let answers = false;
  const { rows } = log(100, () => port(answers));
  expect(await filter(rows, { query: query("(a+)+$", { regex: true }) })).toBeInstanceOf(TooSlow);
  answers = true;
  expect(await filter(rows, { query: query("needle") })).toBeUndefined();
  expect(rows.hits).toBe(10);
});

test("what is dropped is shown and counted no longer", async () => {
  const { rows, store } = log(10_000);
  await filter(rows, { query: query("needle") });
  for (let i = 10_000; i < 15_000; i++) store.push([entry(i)]);
  rows.update();
  expect(rows.length).toBe(store.length);
  expect(rows.height).toBe(store.length * 20);
  expect(rows.at(0)?.id).toBe(store.first);
  expect(rows.place(0)).toEqual({ id: store.first, top: 0 });
});

test("wrapped lines have the height of their text, until it is measured", () => {
  const { rows, store } = log(0);
  store.push([
    { service: "web", replica: 0, message: "x".repeat(250) },
    { service: "web", replica: 0, message: "x" },
    { service: "web", replica: 0, message: "x".repeat(10_000) },
  ]);
  rows.setLayout({ wrap: true, rowHeight: 20, columns: 100, prefix: 10, fold: 2_000 });
  rows.update();
  expect(rows.height).toBe(60 + 20 + 420);
  expect(rows.measure(0, 80)).toBe(true);
  expect(rows.measure(0, 80)).toBe(false);
  expect(rows.height).toBe(520);
  expect(rows.at(90)).toEqual({ id: 1, top: 80 });
  rows.setLayout({ wrap: false, rowHeight: 20, columns: 100, prefix: 10, fold: 2_000 });
  expect(rows.height).toBe(60);
});
