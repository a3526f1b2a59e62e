// Finds out why a bridge cannot be called. Browsers tell a page only that a request
// failed.

/** The problem, in the form of the bridge's own errors. */
export interface Diagnosis {
  /** A gRPC code. */
  code: number;
  reason: "mixedContent" | "originRefused" | "blockedByPolicy" | "notABridge";
  message: string;
}

const permissionDenied = 7;
const failedPrecondition = 9;
const unavailable = 14;

/** How long the bridge may take to answer, in milliseconds. */
const timeout = 3_000;

/** How long a diagnosis is cached, in milliseconds: many calls may fail at once. */
const cacheTime = 2_000;

const findings = new Map<string, { at: number; finding: Promise<Diagnosis | undefined> }>();

/**
 * diagnose finds out why a request to a bridge's URL failed. It returns undefined if
 * the bridge is unreachable, or the cause cannot be determined from the page.
 */
export function diagnose(url: string): Promise<Diagnosis | undefined> {
  // The path of a method is the last two segments.
  const bridge = url.split("/").slice(0, -2).join("/");
  const known = findings.get(bridge);
  if (known && performance.now() - known.at < cacheTime) return known.finding;
  const finding = find(bridge);
  findings.set(bridge, { at: performance.now(), finding });
  return finding;
}

/** answers reports whether any server answers. */
async function answers(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(timeout);
    await fetch(url, { signal, mode: "no-cors", cache: "no-store", credentials: "omit" });
    return true;
  } catch {
    return false;
  }
}

async function find(bridge: string): Promise<Diagnosis | undefined> {
  const page = globalThis.location?.origin;
  if (page === undefined || page === new URL(bridge).origin) return undefined;
  const mixed = mixedContent(bridge);
  if (mixed) return { code: failedPrecondition, reason: "mixedContent", message: mixed };

  const { origin } = new URL(bridge);
  let forbidden = false;
  const onViolation = (event: Event) => {
    const { blockedURI } = event as SecurityPolicyViolationEvent;
    forbidden ||= blockedURI.startsWith(origin);
  };
  const scope: EventTarget = globalThis.document ?? globalThis;
  scope.addEventListener("securitypolicyviolation", onViolation);
  try {
    // The bridge's files are public, which distinguishes it from a proxy whose
    // bridge is down. Its health check is readable for pages that may call it.
    if (await reads(`${bridge}/sri.json`)) {
      if (await reads(`${bridge}/healthz`)) return undefined;
      return {
        code: permissionDenied,
        reason: "originRefused",
        message: `the bridge at ${bridge} does not let pages of ${page} call it: start it with --allow-origin ${page}`,
      };
    }
    // The event is dispatched in a separate task.
    await new Promise((resolve) => setTimeout(resolve));
    if (!forbidden) {
      if (!(await answers(bridge))) return undefined;
      // A proxy whose bridge is down looks the same, so a retry may succeed.
      return {
        code: unavailable,
        reason: "notABridge",
        message: `a server answers at ${bridge}, but not as an akash-provider-bridge does: is bridgeUrl right, and, if a proxy is there, is the bridge behind it running?`,
      };
    }
    return {
      code: failedPrecondition,
      reason: "blockedByPolicy",
      message: `the page's Content-Security-Policy forbids calls to the bridge at ${bridge}: add ${origin} and ${origin.replace("http", "ws")} to its connect-src`,
    };
  } finally {
    scope.removeEventListener("securitypolicyviolation", onViolation);
  }
}

/** reads reports whether the page can read a URL. */
async function reads(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(timeout);
    const { ok } = await fetch(url, { signal, cache: "no-store", credentials: "omit" });
    return ok;
  } catch {
    return false;
  }
}

/**
 * mixedContent returns the error for a page that is served over https and calls a
 * bridge on another machine over http
 * (https://w3c.github.io/webappsec-mixed-content/).
 */
export function mixedContent(bridge: string): string | undefined {
  const { protocol, hostname } = new URL(bridge);
  // Uses the origin, since the URL of a worker may be a blob's.
  if (!globalThis.location?.origin?.startsWith("https:") || protocol !== "http:") return undefined;
  if (/^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) return undefined;
  return `a page over https may not call the bridge at ${bridge}, which is not: serve it over https (--tls-cert and --tls-key, or a proxy before it)`;
}
