/** How long work may go on before it yields to the page, in milliseconds. */
const slice = 8;

/** In Node, an open port would keep the process alive. */
declare const setImmediate: ((f: () => void) => unknown) | undefined;

let began = 0;
let waiting: (() => void)[] = [];
let port: MessagePort | undefined;

/** sliceIsOver reports whether the current task has used up its time slice. */
export function sliceIsOver(): boolean {
  return performance.now() - began > slice;
}

/**
 * yieldToPage lets the event loop turn once, so that the page can draw and take
 * input. A message does that sooner than a timer, also in a hidden tab.
 */
export function yieldToPage(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length > 1) return;
    if (typeof setImmediate === "function") {
      setImmediate(turn);
    } else {
      port ??= openPort();
      port.postMessage(null);
    }
  });
}

function openPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = turn;
  return port2;
}

function turn(): void {
  began = performance.now();
  const ready = waiting;
  waiting = [];
  for (const resolve of ready) resolve();
}
