// Finds out whether a proxy in front of the bridge buffers streams until they end, as nginx
// may: a page that follows a log would never see anything. A slow provider looks the same.
// So the client sends the bridge a probe, whose response has two parts with a delay between
// them (bridge/grpcweb/probe.go). If a proxy buffers it, both parts arrive at once.

import { noRedirect } from "./redirect.js";

/** How long a stream may be silent before the bridge is probed, in milliseconds. */
export const probeAfter = 2_000;

/** The time limit of a probe, in milliseconds. */
const timeout = 5_000;

/** How long each finding is valid, in milliseconds: a proxy's configuration may change. */
const validity = { passes: 300_000, buffered: 10_000, unknown: 10_000 };

/** How long after a finding streams are known to be buffered "lately", in milliseconds. */
const remembered = 300_000;

type Finding = keyof typeof validity;

interface Probed {
  at: number;
  finding: Finding | undefined;
  probing: Promise<Finding>;
}

/** The findings by the bridge's origin. */
const probes = new Map<string, Probed>();

/** isBuffered reports whether a proxy buffers the streams that are fetched from a URL. */
export async function isBuffered(url: string): Promise<boolean> {
  const { origin } = new URL(url);
  let probed = probes.get(origin);
  const { at, finding } = probed ?? {};
  if (!probed || (finding && performance.now() - (at as number) > validity[finding])) {
    const probing = probe(url);
    const next: Probed = { at: 0, finding: undefined, probing };
    probes.set(origin, next);
    probing.then((finding) => Object.assign(next, { at: performance.now(), finding }));
    probed = next;
  }
  return (await probed.probing) === "buffered";
}

/**
 * wasBuffered reports whether streams from a URL are known to be buffered: now, or at some
 * time in the last minutes.
 */
export function wasBuffered(url: string, when: "now" | "lately"): boolean {
  const { at = 0, finding } = probes.get(new URL(url).origin) ?? {};
  const most = when === "now" ? validity.buffered : remembered;
  return finding === "buffered" && performance.now() - at <= most;
}

/** probe reports buffering only if two probes find it. */
async function probe(url: string): Promise<Finding> {
  const first = await probeOnce(url);
  return first === "buffered" ? probeOnce(url) : first;
}

async function probeOnce(url: string): Promise<Finding> {
  const controller = new AbortController();
  const late = setTimeout(() => controller.abort(), timeout);
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
      redirect: noRedirect,
    });
    reader = response.body?.getReader();
    // The header has the delay between the parts. A bridge that does not support probes,
    // or has too many, does not send it.
    const delay = Number(response.headers.get("akash-probe"));
    if (!reader || !(delay > 0) || (await reader.read()).done) return "unknown";
    const began = performance.now();
    while (!(await reader.read()).done);
    return performance.now() - began < delay / 3 ? "buffered" : "passes";
  } catch {
    return "unknown";
  } finally {
    clearTimeout(late);
    controller.abort();
  }
}
