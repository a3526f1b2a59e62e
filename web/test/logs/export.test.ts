import { expect, test } from "vitest";
import { pieces, save, toBlob } from "../../src/logs/export.js";
import { LogStore } from "../../src/logs/store.js";

function log(lines: number): LogStore {
  const store = new LogStore();
  for (let i = 0; i < lines; i++) {
    store.push([{ service: "web", replica: i % 2, message: `\u001b[32mline\u001b[0m ${i} é日` }]);
  }
  store.mark("gap", "Lines may be missing here.", { service: "web", replica: 0 });
  return store;
}

const all = (store: LogStore) =>
  store.chunks.map((chunk) => ({ chunk, lines: undefined, count: chunk.count }));

const gap = /^# 2\d{3}-\d\d-\d\d [\d:.]+Z web-0: Lines may be missing here\.\n$/;

test("a file has every line with its source, without escape sequences", async () => {
  const store = log(50_000);
  let text = "";
  let longest = 0;
  for await (const piece of pieces(store, all(store))) {
    text += piece;
    longest = Math.max(longest, piece.length);
  }
  const want = Array.from({ length: 50_000 }, (_, i) => `web-${i % 2} line ${i} é日\n`);
  expect(text.slice(0, want.join("").length)).toBe(want.join(""));
  expect(text.slice(want.join("").length)).toMatch(gap);
  expect(longest).toBeLessThan(300_000);
});

test("what arrives, and what is dropped, while a file is written, does not change it", async () => {
  const store = new LogStore({ maxLines: 1_000 });
  const push = (from: number, count: number) =>
    store.push(
      Array.from({ length: count }, (_, i) => ({
        service: "web",
        replica: 0,
        message: `${from + i} ${"x".repeat(1_000)}`,
      })),
    );
  push(0, 1_000);
  let text = "";
  for await (const piece of pieces(store, all(store))) {
    text += piece;
    push(1_000, 2_000);
  }
  expect(text.match(/^web-0 \d+/gm)).toEqual(Array.from({ length: 1_000 }, (_, i) => `web-0 ${i}`));
});

test("some lines only", async () => {
  const store = log(100);
  const [chunk] = store.chunks;
  if (!chunk) throw new Error("no chunk");
  const blob = await toBlob(pieces(store, [{ chunk, lines: [3, 7], count: 2 }]));
  expect(await blob.text()).toBe("web-1 line 3 é日\nweb-1 line 7 é日\n");
});

test("a file that cannot be written is given up, and the error is told", async () => {
  const did: string[] = [];
  const picker = async () => ({
    createWritable: async () => ({
      write: async () => {
        throw new Error("disk full");
      },
      close: async () => {},
      abort: async () => {
        did.push("abort");
      },
    }),
  });
  Object.assign(globalThis, { showSaveFilePicker: picker });
  try {
    const store = log(10);
    await expect(save("x", pieces(store, all(store)))).rejects.toThrow("disk full");
    expect(did).toEqual(["abort"]);
    Object.assign(globalThis, {
      showSaveFilePicker: async () => {
        throw new DOMException("no", "AbortError");
      },
    });
    expect(await save("x", pieces(store, all(store)))).toBe(false);
  } finally {
    Reflect.deleteProperty(globalThis, "showSaveFilePicker");
  }
});
