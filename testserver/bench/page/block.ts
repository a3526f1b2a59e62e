/**
 * Measures how long the page is blocked. It keeps posting messages to itself; each one
 * that arrives posts the next. The returned function stops this and returns the
 * longest delay in milliseconds.
 */
export function watch(): () => number {
  const { port1, port2 } = new MessageChannel();
  let last = performance.now();
  let gap = 0;
  const look = () => {
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
  };
  port1.onmessage = () => {
    look();
    port2.postMessage(null);
  };
  port2.postMessage(null);
  return () => {
    look();
    port1.close();
    return gap;
  };
}
