// Whether a proxy before the bridge holds streams back until they end, as nginx does
// where it buffers answers: a page that follows a log would then see nothing, for ever.
// A slow provider looks the same, so the client has the bridge answer a probe, which
// comes in two parts (bridge/grpcweb/probe.go): what is held back comes all at once.

/** How long a stream may bring nothing before the way is probed, in milliseconds. */
export const suspicious = 2_000;

/** How long a probe may take, in milliseconds. */
const patience = 5_000;

/** How long a finding holds, in milliseconds, by what it is: a proxy may be mended. */
const lasting = { passes: 300_000, held: 10_000, unknown: 10_000 };

/** How long a bridge is known for a proxy that held streams back, in milliseconds. */
const remembered = 300_000;

type Finding = keyof typeof lasting;

interface Probed {
  at: number;
  finding: Finding | undefined;
  probing: Promise<Finding>;
}

/** What was found, by the bridge's origin. */
const probes = new Map<string, Probed>();

/** isHeld reports whether a proxy holds back the streams that come by fetch from a URL. */
export async function isHeld(url: string): Promise<boolean> {
  const { origin } = new URL(url);
  let probed = probes.get(origin);
  const { at, finding } = probed ?? {};
  if (!probed || (finding && performance.now() - (at as number) > lasting[finding])) {
    const probing = probe(url);
    const next: Probed = { at: 0, finding: undefined, probing };
    probes.set(origin, next);
    probing.then((finding) => Object.assign(next, { at: performance.now(), finding }));
    probed = next;
  }
  return (await probed.probing) === "held";
}

/**
 * wasHeld reports whether it is known that streams from a URL are held back: just now, or
 * where that is enough, some minutes ago.
 */
export function wasHeld(url: string, some: "now" | "lately"): boolean {
  const { at = 0, finding } = probes.get(new URL(url).origin) ?? {};
  const most = some === "now" ? lasting.held : remembered;
  return finding === "held" && performance.now() - at <= most;
}

/** probe probes the way twice before it says that streams are held back. */
async function probe(url: string): Promise<Finding> {
  const first = await probeOnce(url);
  return first === "held" ? probeOnce(url) : first;
}

async function probeOnce(url: string): Promise<Finding> {
  const controller = new AbortController();
  const late = setTimeout(() => controller.abort(), patience);
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  controller.signal.addEventListener("abort", () => void reader?.cancel().catch(() => {}));
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/grpc-web+proto",
        "x-grpc-web": "1",
        "akash-probe": "1",
      },
      signal: controller.signal,
      redirect: "error",
    });
    reader = response.body?.getReader();
    // A bridge that knows no probes, or has too many, does not say how far apart the
    // parts are.
    const apart = Number(response.headers.get("akash-probe"));
    if (!reader || !(apart > 0) || (await reader.read()).done) return "unknown";
    const began = performance.now();
    while (!(await reader.read()).done);
    return performance.now() - began < apart / 3 ? "held" : "passes";
  } catch {
    return "unknown";
  } finally {
    clearTimeout(late);
    controller.abort();
  }
}
