// Why a bridge cannot be called. A browser tells the page only that it could not.

/** What is wrong, as the bridge would tell it. */
export interface Diagnosis {
  /** A gRPC code. */
  code: number;
  reason: "mixedContent" | "originRefused" | "blockedByPolicy" | "notABridge";
  message: string;
}

const permissionDenied = 7;
const failedPrecondition = 9;
const unavailable = 14;

/** How long the bridge may take to say that it is there, in milliseconds. */
const patience = 3_000;

/** How long a finding holds, in milliseconds: many calls may fail at once. */
const lasting = 2_000;

const findings = new Map<string, { at: number; finding: Promise<Diagnosis | undefined> }>();

/**
 * diagnose finds out why the request to a URL of a bridge failed; undefined where the
 * bridge is away, or there is nothing that a page could know.
 */
export function diagnose(url: string): Promise<Diagnosis | undefined> {
  // A method's path is the last two parts.
  const bridge = url.split("/").slice(0, -2).join("/");
  const known = findings.get(bridge);
  if (known && performance.now() - known.at < lasting) return known.finding;
  const finding = find(bridge);
  findings.set(bridge, { at: performance.now(), finding });
  return finding;
}

/** answers reports whether a server is there, whatever it is. */
async function answers(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(patience);
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
    // Its files are anybody's to read, which tells a bridge from a proxy whose bridge is
    // away, and its health is for pages that may call.
    if (await reads(`${bridge}/sri.json`)) {
      if (await reads(`${bridge}/healthz`)) return undefined;
      return {
        code: permissionDenied,
        reason: "originRefused",
        message: `the bridge at ${bridge} does not let pages of ${page} call it: start it with --allow-origin ${page}`,
      };
    }
    // The event comes in a task of its own.
    await new Promise((resolve) => setTimeout(resolve));
    if (!forbidden) {
      if (!(await answers(bridge))) return undefined;
      // A proxy whose bridge is away looks the same, so that another try may do.
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

/** reads reports whether the page can read what is at a URL. */
async function reads(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(patience);
    const { ok } = await fetch(url, { signal, cache: "no-store", credentials: "omit" });
    return ok;
  } catch {
    return false;
  }
}

/**
 * mixedContent tells why the page may not call the bridge if it is served over https
 * and the bridge is not, on another machine (https://w3c.github.io/webappsec-mixed-content/).
 */
export function mixedContent(bridge: string): string | undefined {
  const { protocol, hostname } = new URL(bridge);
  // By its origin, since a worker's own URL may be a blob's.
  if (!globalThis.location?.origin?.startsWith("https:") || protocol !== "http:") return undefined;
  if (/^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) return undefined;
  return `a page over https may not call the bridge at ${bridge}, which is not: serve it over https (--tls-cert and --tls-key, or a proxy before it)`;
}
