import { vi } from "vitest";

/** A request that the bridge received. */
export interface BridgeRequest {
  url: string;
  headers: Headers;
  body: Uint8Array;
  signal: AbortSignal;
}

/** Its response, or nothing until the request is aborted. */
export type Answer = (request: BridgeRequest) => Response | undefined;

/** fakeBridge replaces fetch, and answers requests with the given answers in order. */
export function fakeBridge(...answers: Answer[]): {
  requests: BridgeRequest[];
  /** The requests that are only to connect the bridge to a provider. */
  warmed: BridgeRequest[];
} {
  const requests: BridgeRequest[] = [];
  const warmed: BridgeRequest[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const request = {
      url,
      headers: new Headers(init.headers),
      body: init.body as Uint8Array,
      signal: init.signal as AbortSignal,
    };
    // Like an older bridge, which does not support probes.
    if (request.headers.has("akash-probe")) return new Response(null);
    if (request.headers.has("akash-warm")) {
      warmed.push(request);
      return new Response(null);
    }
    const answer = answers[Math.min(requests.length, answers.length - 1)];
    requests.push(request);
    const response = answer?.(request);
    if (response) return response;
    return new Promise((_, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason));
    });
  });
  return { requests, warmed };
}

/** frame returns a gRPC-Web frame. */
export function frame(message: Uint8Array, flags = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(5 + message.length);
  bytes[0] = flags;
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, 5);
  return bytes;
}

/** trailers returns the frame that ends a response. */
export function trailers(text = "grpc-status: 0\r\n"): Uint8Array<ArrayBuffer> {
  return frame(new TextEncoder().encode(text), 0x80);
}

/** logs returns a message with a piece of a log, of fewer than 2^28 bytes. */
export function logs(service: string, replica: number, text: string | Uint8Array) {
  const encode = (value: string | Uint8Array) =>
    typeof value === "string" ? new TextEncoder().encode(value) : value;
  const field = (number: number, value: Uint8Array) => [
    (number << 3) | 2,
    (value.length & 127) | 128,
    ((value.length >> 7) & 127) | 128,
    ((value.length >> 14) & 127) | 128,
    value.length >> 21,
    ...value,
  ];
  const piece = [...field(1, encode(service)), 2 << 3, replica, ...field(3, encode(text))];
  return frame(Uint8Array.from(field(1, Uint8Array.from(piece))));
}

/** answer returns a gRPC-Web response of the frames, which ends unless open is set. */
export function answer(
  frames: Uint8Array<ArrayBuffer>[],
  options: { headers?: Record<string, string>; open?: boolean; onCancel?: () => void } = {},
): Answer {
  return ({ signal }) => {
    const rest = [...frames];
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start(controller) {
          signal.addEventListener("abort", () => {
            controller.error(signal.reason);
            options.onCancel?.();
          });
        },
        pull(controller) {
          const next = rest.shift();
          if (next) controller.enqueue(next);
          else if (!options.open) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, {
      headers: { "content-type": "application/grpc-web+proto", ...options.headers },
    });
  };
}

/** refusal returns a response without a body. */
export function refusal(status: number, message: string, reason?: string): Answer {
  const headers: Record<string, string> = {
    "content-type": "application/grpc-web+proto",
    "grpc-status": `${status}`,
    "grpc-message": encodeURIComponent(message),
  };
  if (reason) headers["akash-error"] = reason;
  return () => new Response(null, { headers });
}
