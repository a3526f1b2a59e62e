/**
 * isPlaceholder reports whether a text is a placeholder from an example, such as
 * "akash1…" or "<token>".
 */
export function isPlaceholder(text: string): boolean {
  return /…|\.\.\.|<[^<>]*>/.test(text);
}
