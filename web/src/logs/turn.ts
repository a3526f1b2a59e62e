// Lets the page draw and take input between two parts of a long task.

let waiting: (() => void)[] = [];
let channel: MessageChannel | undefined;

/** Resolves in a new task. A message comes sooner than a timer, also in a hidden tab. */
export function turn(): Promise<void> {
  if (!channel) {
    channel = new MessageChannel();
    channel.port1.onmessage = () => {
      const ready = waiting;
      waiting = [];
      for (const resolve of ready) resolve();
    };
  }
  const { port2 } = channel;
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) port2.postMessage(null);
  });
}
