import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Client } from "../../src/client.js";
import { ProviderError } from "../../src/errors.js";
import { createClient } from "../../src/index.js";
import type { LogEntry } from "../../src/types.js";
import { window } from "../../src/worker/worker-protocol.js";
import { answer, fakeBridge, frame, logs, refusal, trailers } from "./bridge.js";
import { wasmModule } from "./module.js";
import { makeToken } from "./token.js";

const provider = "akash1provider";
const lease = { owner: "akash1owner", dseq: 1234n };
const status = frame(
  readFileSync(new URL("../../../proto/testdata/getstatus.pb", import.meta.url)),
);

let client: Client;

beforeEach(async () => {
  client = await createClient({ bridgeUrl: "https://bridge.example/", wasmModule, retries: 0 });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe("getProviderStatus", () => {
  test("returns a real provider's status as an object", async () => {
    const { requests } = fakeBridge(
      answer([status, trailers()], {
        headers: {
          "akash-method": "grpc",
          "akash-endpoint": "provider.example:8444",
          "akash-provider-version": "v0.14.0",
        },
      }),
    );
    const result = await client.getProviderStatus(provider);
    expect(result).toMatchObject({
      status: "success",
      attempts: 1,
      method: "grpc",
      endpoint: "provider.example:8444",
      providerVersion: "v0.14.0",
    });
    if (result.status !== "success") return;
    expect(result.response.cluster?.leases?.active).toBe(4);
    const node = result.response.cluster?.inventory?.cluster?.nodes[0];
    expect(node?.resources?.cpu?.quantity?.allocatable).toEqual({ text: "63900m", value: 63.9 });
    expect(node?.resources?.memory?.quantity?.allocatable).toEqual({
      text: "511Gi",
      value: 511 * 2 ** 30,
    });
    expect(Date.parse(result.response.timestamp ?? "")).toBeGreaterThan(0);

    expect(requests).toHaveLength(1);
    const [request] = requests;
    expect(request?.url).toBe("https://bridge.example/akash.provider.v1.ProviderRPC/GetStatus");
    expect(Object.fromEntries(request?.headers ?? [])).toEqual({
      "akash-provider": provider,
      "content-type": "application/grpc-web+proto",
      "grpc-timeout": "30000m",
      "x-grpc-web": "1",
    });
  });

  test("returns an error that names its cause", async () => {
    fakeBridge(refusal(9, `provider ${provider}: its certificate is revoked`, "revoked"));
    const result = await client.getProviderStatus(provider);
    expect(result.status).toBe("error");
    if (result.status !== "error") return;
    expect(result.error).toBeInstanceOf(ProviderError);
    expect({ ...result.error }).toMatchObject({
      name: "ProviderError",
      code: "FAILED_PRECONDITION",
      reason: "revoked",
      provider,
      attempts: 1,
    });
    expect(result.error.message).toBe(`provider ${provider}: its certificate is revoked`);
  });

  test("says what to do if the bridge cannot be reached", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
    const result = await client.getProviderStatus(provider, { retries: 1 });
    expect(result).toMatchObject({ status: "error", attempts: 2 });
    expect(result.status === "error" && result.error.message).toContain(
      "cannot reach the bridge at https://bridge.example: is it running, and is bridgeUrl right?",
    );
  });

  test("times out", async () => {
    const { requests } = fakeBridge(() => undefined);
    const result = await client.getProviderStatus(provider, { timeoutMs: 30 });
    expect(result).toMatchObject({ status: "error", error: { code: "DEADLINE_EXCEEDED" } });
    expect(requests[0]?.signal.aborted).toBe(true);
  });

  test("is stopped by its signal", async () => {
    const { requests } = fakeBridge(() => undefined);
    const abort = new AbortController();
    const call = client.getProviderStatus(provider, { signal: abort.signal });
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    abort.abort("enough");
    const result = await call;
    expect(result).toMatchObject({
      status: "error",
      error: { code: "CANCELLED", cause: "enough" },
    });
    expect(requests[0]?.signal.aborted).toBe(true);

    expect(await client.getProviderStatus(provider, { signal: abort.signal })).toMatchObject({
      status: "error",
      error: { code: "CANCELLED" },
      attempts: 0,
    });
    expect(requests).toHaveLength(1);
  });

  test("distinguishes a signal's timeout from a cancellation", async () => {
    fakeBridge(() => undefined);
    const result = await client.getProviderStatus(provider, { signal: AbortSignal.timeout(10) });
    expect(result).toMatchObject({ status: "error", error: { code: "DEADLINE_EXCEEDED" } });
  });

  test("is retried as often as retries allows", async () => {
    const { requests } = fakeBridge(refusal(14, "starting"), answer([status, trailers()]));
    vi.spyOn(Math, "random").mockReturnValue(0);
    const result = await client.getProviderStatus(provider, { retries: 1 });
    expect(result).toMatchObject({ status: "success", attempts: 2 });
    expect(requests).toHaveLength(2);
  });
});

describe("streamLogs", () => {
  test("yields lines one at a time", async () => {
    const { requests } = fakeBridge(
      answer([
        logs("web", 0, "one\ntw"),
        logs("db", 2, "first\n"),
        frame(new Uint8Array()),
        logs("web", 0, "o\n漢字 😀\nnever ended"),
        trailers(),
      ]),
    );
    const token = makeToken();
    const entries = await all(
      client.streamLogs({ provider, lease, tail: 10, auth: { type: "jwt", token } }),
    );
    expect(entries).toEqual([
      { service: "web", replica: 0, message: "one" },
      { service: "db", replica: 2, message: "first" },
      { service: "web", replica: 0, message: "two" },
      { service: "web", replica: 0, message: "漢字 😀" },
      { service: "web", replica: 0, message: "never ended" },
    ]);
    expect(requests[0]?.headers.get("authorization")).toBe(`Bearer ${token}`);
    expect(requests[0]?.headers.get("akash-tail")).toBe("10");
  });

  test("decodes what is not UTF-8 as TextDecoder does", async () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 48271) % 2147483647;
      return seed;
    };
    // Bytes that are often the start or the middle of a character.
    const bytes = [
      0x61, 0xc2, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbb,
      0xbf, 0xff,
    ];
    const lines = Array.from({ length: 2000 }, () =>
      Uint8Array.from({ length: random() % 12 }, () => bytes[random() % bytes.length] ?? 0),
    );
    const log = Uint8Array.from(lines.flatMap((line) => [...line, 10]));
    fakeBridge(
      answer([
        logs("web", 0, log.subarray(0, 5000)),
        logs("web", 0, log.subarray(5000)),
        trailers(),
      ]),
    );
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const entries = await all(client.streamLogs({ provider, lease }));
    expect(entries.map(({ message }) => message)).toEqual(
      lines.map((line) => decoder.decode(line)),
    );
  });

  test("yields all of many lines, in batches", async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i} ${i % 7 ? "" : "é漢😀"}`);
    const frames = [];
    for (let i = 0; i < lines.length; i += 1000) {
      frames.push(logs("web", 0, `${lines.slice(i, i + 1000).join("\n")}\n`));
    }
    fakeBridge(answer([...frames, trailers()]));
    const batches = await all(client.streamLogs({ provider, lease }).batches());
    expect(batches.flat().map(({ message }) => message)).toEqual(lines);
    expect(batches.length).toBeGreaterThan(1);
  });

  test("marks a line that is too long for one entry", async () => {
    const line = "漢".repeat(400_000);
    fakeBridge(answer([logs("web", 0, `${line}\nnext\n`), trailers()]));
    const entries = await all(client.streamLogs({ provider, lease }));
    expect(entries.map(({ continues }) => continues)).toEqual([true, undefined, undefined]);
    expect((entries[0]?.message ?? "") + entries[1]?.message).toBe(line);
  });

  test("delivers the received lines before it throws", async () => {
    fakeBridge(
      answer([
        logs("web", 0, "one\ntw"),
        trailers("grpc-status: 14\r\nakash-error: providerGone\r\n"),
      ]),
    );
    const read: LogEntry[] = [];
    const reading = (async () => {
      for await (const entry of client.streamLogs({ provider, lease })) read.push(entry);
    })();
    await expect(reading).rejects.toMatchObject({
      name: "ProviderError",
      code: "UNAVAILABLE",
      reason: "providerGone",
      provider,
    });
    expect(read.map(({ message }) => message)).toEqual(["one", "tw"]);
  });

  test("ends at the provider when its loop is left", async () => {
    const cancelled = vi.fn();
    fakeBridge(answer([logs("web", 0, "one\ntwo\n")], { open: true, onCancel: cancelled }));
    for await (const { message } of client.streamLogs({ provider, lease, follow: true })) {
      expect(message).toBe("one");
      break;
    }
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalledOnce());
    expect(await client.cleanupConnections()).toEqual({ status: "success", closedChannels: 0 });
  });

  test("stops at its signal, without delivering buffered lines", async () => {
    fakeBridge(answer([logs("web", 0, "one\ntwo\n")], { open: true }));
    const abort = new AbortController();
    const entries = client
      .streamLogs({ provider, lease, follow: true, signal: abort.signal })
      [Symbol.asyncIterator]();
    expect((await entries.next()).value?.message).toBe("one");
    abort.abort();
    await expect(entries.next()).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await entries.next()).toEqual({ done: true, value: undefined });
  });

  test("sends no request before it is read, and reads no more than is read or may be buffered", async () => {
    const pulled: number[] = [];
    const { requests } = fakeBridge(({ signal }) => {
      let i = 0;
      const body = new ReadableStream(
        {
          pull(controller) {
            signal.throwIfAborted();
            pulled.push(i);
            controller.enqueue(logs("web", 0, `line ${i++}\n`));
          },
        },
        { highWaterMark: 0 },
      );
      return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    const stream = client.streamLogs({ provider, lease });
    const entries = stream[Symbol.asyncIterator]();
    expect(requests).toHaveLength(0);
    await entries.next();
    await entries.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pulled).toHaveLength(globalThis.Worker ? 2 + window : 2);
    await entries.return?.();
  });

  test.each(["line by line", "in batches"])("yields to the page, read %s", async (style) => {
    const chunk = logs("web", 0, "a line\n".repeat(1000));
    fakeBridge(() => {
      const body = new ReadableStream({ pull: (controller) => controller.enqueue(chunk.slice()) });
      return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    let fired = false;
    setTimeout(() => {
      fired = true;
    });
    const stream = client.streamLogs({ provider, lease, follow: true });
    // The stream does not end: this loop ends because the timer runs.
    for await (const _ of style === "in batches" ? stream.batches() : stream) if (fired) break;
    expect(fired).toBe(true);
  });

  test("resolves concurrent calls of next in order", async () => {
    fakeBridge(answer([logs("web", 0, "1\n"), logs("web", 0, "2\n3\n"), trailers()]));
    const entries = client.streamLogs({ provider, lease })[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 5 }, () => entries.next()));
    expect(results.map(({ done, value }) => (done ? "end" : value?.message))).toEqual([
      "1",
      "2",
      "3",
      "end",
      "end",
    ]);
  });

  test.each(["line by line", "in batches"])(
    "resolves a pending read with the end when it is left, read %s",
    async (style) => {
      const cancelled = vi.fn();
      fakeBridge(answer([logs("web", 0, "one\n")], { open: true, onCancel: cancelled }));
      const stream = client.streamLogs({ provider, lease, follow: true });
      const entries = style === "in batches" ? stream.batches() : stream[Symbol.asyncIterator]();
      await entries.next();
      const waiting = entries.next();
      expect(await entries.return?.()).toEqual({ done: true, value: undefined });
      expect(await waiting).toEqual({ done: true, value: undefined });
      expect(await entries.next()).toEqual({ done: true, value: undefined });
      await vi.waitFor(() => expect(cancelled).toHaveBeenCalledOnce());
    },
  );

  test("does not abort a request whose response is complete", async () => {
    const { requests } = fakeBridge(answer([logs("web", 0, "one\n"), trailers()]));
    await all(client.streamLogs({ provider, lease }));
    expect(requests[0]?.signal.aborted).toBe(false);
  });

  test("closes a connection that does not end after its trailers", async () => {
    const cancelled = vi.fn();
    fakeBridge(() => {
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(logs("web", 0, "one\n"));
          controller.enqueue(trailers());
        },
        cancel: cancelled,
      });
      return new Response(body, { headers: { "content-type": "application/grpc-web+proto" } });
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      expect(await all(client.streamLogs({ provider, lease, timeoutMs: 9000 }))).toHaveLength(1);
      expect(cancelled).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(1000);
      expect(cancelled).toHaveBeenCalledOnce();
    } finally {
      vi.useRealTimers();
    }
  });

  test("can be read only once", async () => {
    fakeBridge(answer([trailers()]));
    const stream = client.streamLogs({ provider, lease });
    await all(stream);
    expect(() => stream.batches()).toThrow(TypeError);
  });
});

describe("the other streams", () => {
  test("streamProviderStatus yields every status, and reconnects", async () => {
    const { requests } = fakeBridge(
      answer([status, status]),
      // A status that was delivered before is not repeated.
      answer([status, status, trailers()]),
      refusal(5, "gone"),
    );
    vi.spyOn(Math, "random").mockReturnValue(0);
    const read: number[] = [];
    const reading = (async () => {
      for await (const { cluster } of client.streamProviderStatus(provider, { retries: 1 })) {
        read.push(cluster?.leases?.active ?? 0);
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(read).toEqual([4, 4, 4]);
    expect(requests).toHaveLength(3);
  });

  test("streamServiceStatus yields the services", async () => {
    // One service, "web", of which 2 of 3 are available.
    const message = [0x0a, 0x0b, 0x0a, 3, 0x77, 0x65, 0x62, 0x12, 4, 0x08, 2, 0x10, 3];
    fakeBridge(answer([frame(Uint8Array.from(message)), trailers()]));
    const [services] = await all(client.streamServiceStatus({ provider, lease }));
    expect(services).toMatchObject([
      { name: "web", status: { available: 2, total: 3 }, ports: [] },
    ]);
  });

  test("restartServices returns the result for each replica", async () => {
    const message = [0x0a, 0x0a, 0x0a, 3, 0x77, 0x65, 0x62, 0x12, 1, 0x30, 0x18, 1];
    fakeBridge(answer([frame(Uint8Array.from(message)), trailers()]));
    const result = await client.restartServices({ provider, lease, timeoutMs: 5000 });
    expect(result).toMatchObject({
      status: "success",
      response: [{ service: "web", replica: "0", state: "active" }],
    });
  });

  test("a restart is not retried", async () => {
    const { requests } = fakeBridge(refusal(14, "gone"));
    await client.restartServices({ provider, lease, retries: 3 });
    expect(requests).toHaveLength(1);
  });
});

describe("discoverProviders", () => {
  test("yields each result as it arrives, with limited concurrency", async () => {
    let open = 0;
    let most = 0;
    let others = 4;
    vi.stubGlobal("fetch", async (_: string, { headers }: RequestInit) => {
      const name = new Headers(headers).get("akash-provider") ?? "";
      most = Math.max(most, ++open);
      if (name === "slow") await vi.waitFor(() => expect(others).toBe(0));
      else others--;
      open--;
      return answer(name === "dead" ? [trailers("grpc-status: 5\r\n")] : [status, trailers()])({
        signal: new AbortController().signal,
      } as never);
    });
    const addresses = ["slow", "a", "dead", "b", "a"];
    const results = await all(client.discoverProviders(addresses, { concurrency: 2 }));
    expect(results.map((r) => `${r.provider} ${r.status}`).sort()).toEqual([
      "a success",
      "a success",
      "b success",
      "dead error",
      "slow success",
    ]);
    expect(results.at(-1)?.provider).toBe("slow");
    expect(most).toBe(2);
  });

  test("makes no more calls when its loop is left", async () => {
    const { requests } = fakeBridge(answer([status, trailers()]), () => undefined);
    for await (const { provider } of client.discoverProviders(["a", "b", "c"], {
      concurrency: 2,
    })) {
      expect(provider).toBe("a");
      break;
    }
    expect(requests.length).toBeLessThanOrEqual(2);
    await vi.waitFor(() => expect(requests[1]?.signal.aborted).toBe(true));
  });
});

describe("the end of a client", () => {
  test("cleanupConnections ends open calls and streams, and returns their number", async () => {
    const cancelled = vi.fn();
    const { requests } = fakeBridge(
      answer([logs("web", 0, "one\n")], { open: true, onCancel: cancelled }),
      () => undefined,
    );
    const entries = client.streamLogs({ provider, lease, follow: true })[Symbol.asyncIterator]();
    await entries.next();
    const next = entries.next();
    const call = client.getProviderStatus(provider);
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    expect(await client.cleanupConnections()).toEqual({ status: "success", closedChannels: 2 });
    await expect(next).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await call).toMatchObject({ status: "error", error: { code: "CANCELLED" } });
    expect(cancelled).toHaveBeenCalledOnce();
    await vi.waitFor(() => expect(requests[1]?.signal.aborted).toBe(true));
    expect(await client.cleanupConnections()).toEqual({ status: "success", closedChannels: 0 });
  });

  test("disposal closes the client", async () => {
    fakeBridge(answer([status, trailers()]));
    {
      await using scoped = client;
      expect((await scoped.getProviderStatus(provider)).status).toBe("success");
    }
    expect(await client.getProviderStatus(provider)).toMatchObject({
      status: "error",
      error: { code: "FAILED_PRECONDITION" },
    });
    await expect(all(client.streamLogs({ provider, lease }))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
  });
});

describe("getToken", () => {
  /** Tokens with the given lifetimes, in order, and the number of calls. */
  function wallet(lifeMs?: number) {
    const tokens: string[] = [];
    const getToken = async () => {
      const token = makeToken(lifeMs);
      tokens.push(token);
      return token;
    };
    return { tokens, auth: { type: "jwt", getToken } as const };
  }

  const shown = (requests: { headers: Headers }[]) =>
    requests.map(({ headers }) => headers.get("authorization")?.replace("Bearer ", ""));

  test("is called once for calls and attempts that share it", async () => {
    const { requests } = fakeBridge(
      refusal(14, "down", "providerUnreachable"),
      answer([trailers()]),
    );
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { tokens, auth } = wallet();
    const logs = () => all(client.streamLogs({ provider, lease, auth, retries: 1 }));
    await Promise.all([logs(), logs(), logs()]);
    await logs();
    expect(tokens).toHaveLength(1);
    expect(shown(requests)).toEqual(Array(5).fill(tokens[0]));
  });

  test("is called again from 60 s before the token expires", async () => {
    const { requests } = fakeBridge(answer([trailers()]));
    for (const [lifeMs, times] of [
      [59_000, 2],
      [70_000, 1],
    ] as const) {
      const { tokens, auth } = wallet(lifeMs);
      await all(client.streamLogs({ provider, lease, auth }));
      await all(client.streamLogs({ provider, lease, auth }));
      expect(tokens).toHaveLength(times);
      expect(shown(requests.splice(0))).toEqual([tokens[0], tokens[times - 1]]);
    }
  });

  test("is called once more if the provider refuses the token", async () => {
    const no = refusal(16, "expired", "tokenExpired");
    const { requests } = fakeBridge(no, no, answer([trailers()]));
    const { tokens, auth } = wallet();
    // Both calls sent the first token; it is replaced by a single call.
    await Promise.all([
      all(client.streamLogs({ provider, lease, auth })),
      all(client.streamLogs({ provider, lease, auth })),
    ]);
    expect(tokens).toHaveLength(2);
    expect(shown(requests)).toEqual([tokens[0], tokens[0], tokens[1], tokens[1]]);
  });

  test("is not called a third time", async () => {
    const { requests } = fakeBridge(refusal(16, "expired", "tokenExpired"));
    const { tokens, auth } = wallet();
    await expect(all(client.streamLogs({ provider, lease, auth }))).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      reason: "tokenExpired",
    });
    expect(shown(requests)).toEqual(tokens);
    expect(tokens).toHaveLength(2);
  });

  test("is called again after it failed", async () => {
    fakeBridge(answer([trailers()]));
    let locked = true;
    const getToken = () => {
      if (locked) throw new Error("locked");
      return makeToken();
    };
    const auth = { type: "jwt", getToken } as const;
    await expect(all(client.streamLogs({ provider, lease, auth }))).rejects.toThrow("locked");
    locked = false;
    await all(client.streamLogs({ provider, lease, auth }));
  });

  test.each([
    [
      "throws",
      () => {
        throw new Error("locked");
      },
      "locked",
    ],
    ["rejects", () => Promise.reject(new Error("declined")), "declined"],
    ["gives no string", () => 5 as never, "must give a string"],
  ])("that %s fails the call", async (_, getToken, text) => {
    const { requests } = fakeBridge(answer([trailers()]));
    const auth = { type: "jwt", getToken } as const;
    await expect(all(client.streamLogs({ provider, lease, auth }))).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: expect.stringContaining(text),
    });
    expect(requests).toHaveLength(0);
  });
});

describe("a token", () => {
  test("that is certain to be refused is not sent", async () => {
    const { requests } = fakeBridge(answer([trailers()]));
    for (const [token, code, reason] of [
      ["secret", "UNAUTHENTICATED", "tokenInvalid"],
      [makeToken(-3_600_000), "UNAUTHENTICATED", "tokenExpired"],
      [
        makeToken(60_000, { access: "scoped", scope: ["shell"] }),
        "PERMISSION_DENIED",
        "scopeMissing",
      ],
    ] as const) {
      const error = await all(
        client.streamLogs({ provider, lease, auth: { type: "jwt", token } }),
      ).catch((error) => error);
      expect(error).toMatchObject({ name: "ProviderError", code, reason, provider });
      expect(error.message).not.toContain(token);
    }
    expect(requests).toHaveLength(0);
  });

  test("with full access causes one warning", async () => {
    fakeBridge(answer([trailers()]));
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const token = makeToken(60_000, { access: "full" });
    for (let i = 0; i < 3; i++) {
      await all(client.streamLogs({ provider, lease, auth: { type: "jwt", token } }));
    }
    expect(warn.mock.calls).toEqual([[expect.stringContaining("a token of full access")]]);
    expect(warn.mock.calls[0]?.[0]).not.toContain(token);
  });
});

describe("manifests", () => {
  const manifest = [{ name: "dcloud", services: [] }];

  test("are sent unchanged", async () => {
    const { requests } = fakeBridge(answer([frame(new Uint8Array()), trailers()]));
    for (const given of [manifest, JSON.stringify(manifest, null, 2)]) {
      expect(await client.sendManifest({ provider, dseq: "1234", manifest: given })).toMatchObject({
        status: "success",
        response: {},
        attempts: 1,
      });
      const sent = new TextDecoder().decode(requests.at(-1)?.body);
      expect(sent.endsWith(typeof given === "string" ? given : JSON.stringify(given))).toBe(true);
    }
    expect(requests[0]?.url).toBe(
      "https://bridge.example/akash.provider.web.v1.LeaseREST/SendManifest",
    );
    expect(requests[0]?.headers.get("grpc-timeout")).toBe("150000m");
  });

  test("are sent once, and the error says what is known of the outcome", async () => {
    const { requests } = fakeBridge(refusal(14, "gone", "providerGone"));
    const result = await client.sendManifest({ provider, lease, manifest, timeoutMs: 5_000 });
    expect(result).toMatchObject({
      status: "error",
      error: { code: "UNKNOWN", reason: "outcomeUnknown" },
    });
    expect(requests).toHaveLength(1);
  });

  test.each([
    [{ manifest: "{}" }, /^manifest must be an array/],
    [{ manifest: "[" }, /^manifest is not JSON/],
    [{ manifest: {} }, /^manifest must be an array/],
    [{ dseq: undefined }, /^dseq must be/],
    [{ lease }, /exclude each other/],
  ])("%o is refused", async (wrong, message) => {
    await expect(
      client.sendManifest({ provider, dseq: 1, manifest, ...wrong } as never),
    ).rejects.toThrow(message);
  });
});
