/**
 * iterable makes a stream work in `for await`, also in browsers where streams do not, such
 * as WebKitGTK 2.50: https://streams.spec.whatwg.org/#rs-asynciterator. Leaving the loop
 * cancels the stream.
 */
export function iterable<T>(stream: ReadableStream<T>): ReadableStream<T> {
  if (Symbol.asyncIterator in stream) return stream;
  return Object.defineProperty(stream as ReadableStream<T>, Symbol.asyncIterator, {
    value: () => values(stream),
  });
}

async function* values<T>(stream: ReadableStream<T>): AsyncGenerator<T, void, undefined> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Of no effect on a stream that has ended.
    const cancelled = reader.cancel();
    reader.releaseLock();
    await cancelled;
  }
}
