import { expect, test } from "vitest";
import { iterable } from "../../src/shell/iterable.js";

/** A stream as in browsers where `for await` does not work. */
function plain(source: UnderlyingDefaultSource<number>): ReadableStream<number> {
  const stream = new ReadableStream<number>(source, { highWaterMark: 0 });
  return new Proxy(stream, {
    has: (target, name) => name !== Symbol.asyncIterator && name in target,
    get(target, name) {
      const own = Object.getOwnPropertyDescriptor(target, name);
      if (own) return own.value;
      if (name === Symbol.asyncIterator) return undefined;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A stream of 0, 1, 2 and so on, that ends by itself or fails. */
function counting(end: (out: ReadableStreamDefaultController<number>) => void) {
  let next = 0;
  let cancelled = false;
  const stream = plain({
    pull: (out) => (next < 3 ? out.enqueue(next++) : end(out)),
    cancel: () => {
      cancelled = true;
    },
  });
  return { stream: iterable(stream), cancelled: () => cancelled };
}

test("a stream can be read by for await to its end", async () => {
  const { stream, cancelled } = counting((out) => out.close());
  const seen = [];
  for await (const n of stream) seen.push(n);
  expect(seen).toEqual([0, 1, 2]);
  expect(cancelled()).toBe(false);
  expect(stream.locked).toBe(false);
});

test("leaving the loop cancels the stream", async () => {
  const { stream, cancelled } = counting((out) => out.close());
  for await (const n of stream) if (n === 1) break;
  expect(cancelled()).toBe(true);
});

test("the loop throws the stream's error", async () => {
  const { stream } = counting((out) => out.error(new Error("out of lines")));
  const seen: number[] = [];
  await expect(
    (async () => {
      for await (const n of stream) seen.push(n);
    })(),
  ).rejects.toThrow("out of lines");
  expect(seen).toEqual([0, 1, 2]);
});

test("a stream that can be read so already is not changed", () => {
  const stream = new ReadableStream();
  expect(Object.hasOwn(iterable(stream), Symbol.asyncIterator)).toBe(false);
});
