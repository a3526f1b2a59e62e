/**
 * What fetch does about a redirect: it fails, since it would send credentials to another
 * server. Cloudflare's runtime has no "error"; there the redirect itself is the response,
 * which is not one of a bridge.
 */
export const noRedirect: RequestRedirect =
  globalThis.navigator?.userAgent === "Cloudflare-Workers" ? "manual" : "error";
