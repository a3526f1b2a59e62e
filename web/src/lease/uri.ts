// Which of a provider's URIs a browser may open.

/**
 * Returns the address that a service's URI stands for, or undefined if it is none that a
 * page should link to. Providers give host names, mostly without a scheme. What they say is
 * not trusted: a URI of another scheme, or with a name before the host, is not linked.
 */
export function openable(uri: string): string | undefined {
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(uri) ? uri : `http://${uri}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isWeb = url.protocol === "http:" || url.protocol === "https:";
  return isWeb && url.username === "" && url.password === "" ? url.href : undefined;
}
