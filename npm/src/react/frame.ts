/** How long a page that draws nothing may wait, in milliseconds: browsers pause its frames. */
const hiddenFrame = 250;

/**
 * nextFrame calls f once, before the browser draws next, or where it does not draw a
 * little later. The function returned takes that back.
 */
export function nextFrame(f: () => void): () => void {
  const { requestAnimationFrame, cancelAnimationFrame } = globalThis;
  const animated = requestAnimationFrame !== undefined;
  const cancel = () => {
    clearTimeout(timer);
    if (animated) cancelAnimationFrame(frame);
  };
  const run = () => {
    cancel();
    f();
  };
  const timer = setTimeout(run, animated ? hiddenFrame : 16);
  const frame = animated ? requestAnimationFrame(run) : 0;
  return cancel;
}
