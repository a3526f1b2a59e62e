/**
 * Watches how long the page does not get its turn: a message to itself is under way
 * at all times, and each that arrives sends the next. The function that it returns
 * ends that and tells the longest wait in milliseconds.
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
