/** isPlaceholder reports whether a text is an example's, such as "akash1…" or "<token>". */
export function isPlaceholder(text: string): boolean {
  return /…|\.\.\.|<[^<>]*>/.test(text);
}
