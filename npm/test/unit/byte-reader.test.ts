import { expect, test } from "vitest";
import { bodyReader } from "../../src/transport/byte-reader.js";
import { SharedBody } from "../../src/transport/shared-body.js";

type Bytes = Uint8Array<ArrayBuffer>;

/** A byte stream that fills every read, each byte with the number of its read. */
function bytes(most = Number.POSITIVE_INFINITY) {
  const asked: number[] = [];
  const stream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const { byobRequest } = controller;
      const view = byobRequest?.view as Bytes;
      asked.push(view.byteLength);
      const n = Math.min(view.byteLength, most);
      new Uint8Array(view.buffer, 0, n).fill(asked.length);
      byobRequest?.respond(n);
    },
  });
  return { asked, stream };
}

test("memory is reused for reads once it has been returned", async () => {
  const { asked, stream } = bytes();
  const reader = bodyReader(stream);
  let last: Bytes | undefined;
  for (let i = 1; i <= 5; i++) {
    const { value } = await reader.read();
    expect(value?.every((byte) => byte === i)).toBe(true);
    // A read transfers its memory to another buffer.
    if (i > 3) expect(last?.buffer.byteLength).toBe(0);
    last = value as Bytes;
    reader.recycle?.(last);
  }
  expect(asked).toEqual([4096, 16384, 65536, 65536, 65536]);
});

test("memory that is not returned is not changed", async () => {
  const reader = bodyReader(bytes().stream);
  const values = [];
  for (let i = 0; i < 4; i++) values.push((await reader.read()).value as Bytes);
  expect(values.map((value) => value[0])).toEqual([1, 2, 3, 4]);
});

test("an idle stream has a small buffer", async () => {
  const { asked, stream } = bytes(100);
  const reader = bodyReader(stream);
  for (let i = 0; i < 3; i++) await reader.read();
  expect(asked).toEqual([4096, 4096, 4096]);
});

test("a body that is not a byte stream is read to its end", async () => {
  const reader = bodyReader(
    new ReadableStream<Bytes>({
      start(out) {
        out.enqueue(new Uint8Array(70_000));
        out.close();
      },
    }),
  );
  expect((await reader.read()).value?.length).toBe(70_000);
  expect(await reader.read()).toEqual({ done: true, value: undefined });
});

test("a byte stream ends at its end, and when it is cancelled", async () => {
  const response = new Response(new Uint8Array(10));
  const reader = bodyReader(response.body as ReadableStream<Bytes>);
  expect((await reader.read()).value?.length).toBe(10);
  expect((await reader.read()).done).toBe(true);

  let cancelled = false;
  const endless = new ReadableStream({
    type: "bytes",
    cancel() {
      cancelled = true;
    },
  });
  const other = bodyReader(endless);
  const reading = other.read();
  await other.cancel();
  expect((await reading).done).toBe(true);
  expect(cancelled).toBe(true);
});

test("a buffered piece takes no more memory than its length", async () => {
  const shared = new SharedBody(bodyReader(bytes(100).stream));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const { value } = await shared.read();
  expect(value).toEqual(new Uint8Array(100).fill(1));
  expect(value?.buffer.byteLength).toBe(100);
  shared.leave("over");
});
