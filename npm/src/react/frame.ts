/**
 * The longest delay if the page draws nothing, in milliseconds: browsers pause the frames
 * of hidden pages.
 */
const hiddenFrame = 250;

/**
 * nextFrame calls f once before the browser's next frame, or a little later if there
 * is none. The returned function cancels that.
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
