// createProviderWebSDK, with answers that no bridge gives.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  createProviderWebSDK,
  createProviderWebTransport,
  type ProviderWebSDKOptions,
  reasonOf,
  TransportError,
  TransportErrorCode,
} from "../../src/chain-sdk/index.js";

const bridgeUrl = "http://127.0.0.1:8080";
const provider = "akash1provider";

function frame(flags: number, content: string | number[]): number[] {
  const bytes = typeof content === "string" ? [...new TextEncoder().encode(content)] : content;
  return [flags, 0, 0, bytes.length >> 8, bytes.length & 0xff, ...bytes];
}
const message = frame(0, []);
const ok = frame(0x80, "grpc-status: 0\r\n");

/** An SDK whose requests are answered with bytes, in pieces of a size. */
function answering(bytes: number[], { size = bytes.length, status = 200, headers = {} } = {}) {
  const requests: Request[] = [];
  const fetch: typeof globalThis.fetch = async (url, init) => {
    requests.push(new Request(url, init));
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) {
          controller.enqueue(Uint8Array.from(bytes.slice(at, at + size)));
        }
        controller.close();
      },
    });
    const type = { "content-type": "application/grpc-web+proto" };
    return new Response(body, { status, headers: { ...type, ...headers } });
  };
  return { requests, with: sdk({ transportOptions: { fetch } }), fetch };
}

function sdk(options: ProviderWebSDKOptions) {
  return createProviderWebSDK({ bridgeUrl, provider, ...options }).akash.provider;
}

async function thrown(call: Promise<unknown>): Promise<TransportError> {
  const error = await call.then(
    () => undefined,
    (error) => error,
  );
  expect(error).toBeInstanceOf(TransportError);
  return error;
}

test.each([1, 2, 3, 5, 7, 1000])("an answer in pieces of %d bytes", async (size) => {
  const errors = frame(0, [0x12, 0]); // cluster: {}
  const { v1 } = answering([...errors, ...errors, ...ok], { size }).with;
  const got: unknown[] = [];
  for await (const { cluster } of await v1.streamStatus()) got.push(cluster?.leases);
  expect(got).toEqual([undefined, undefined]);
});

const code = TransportErrorCode;
test.each([
  ["breaks off", [...message], code.Unavailable, "providerGone"],
  ["breaks off within a frame", [...message, 0x80, 0, 0], code.Unavailable, "providerGone"],
  ["is empty", [...ok], code.Unimplemented, undefined],
  ["has two messages", [...message, ...message, ...ok], code.Unimplemented, undefined],
  ["is compressed", [...frame(1, []), ...ok], code.Internal, undefined],
  ["has a message that is too large", [0, 0x7f, 0, 0, 0], code.Internal, undefined],
  ["is not the message", [...frame(0, [0xff]), ...ok], code.Internal, undefined],
  [
    "is an error",
    frame(0x80, "grpc-status:5\r\ngrpc-message:no%20%C3%BC\r\nakash-error: unknownProvider\r\n"),
    code.NotFound,
    "unknownProvider",
  ],
  ["has a status that does not exist", frame(0x80, "grpc-status: 99\r\n"), code.Unknown, undefined],
  ["has no status", frame(0x80, "x: y\r\n"), code.Unknown, undefined],
])("an answer that %s", async (_, bytes, code, reason) => {
  const error = await thrown(answering(bytes).with.v1.getStatus({}));
  expect([error.code, reasonOf(error)]).toEqual([code, reason]);
});

test("the message of an error is that of the bridge", async () => {
  const bytes = frame(0x80, "grpc-status:5\r\ngrpc-message:no%20%C3%BC\r\n");
  const error = await thrown(answering(bytes).with.v1.getStatus({}));
  expect(error.message).toBe("[not_found] no ü");
});

test.each([
  [200, code.Unknown],
  [404, code.Unimplemented],
  [403, code.PermissionDenied],
  [502, code.Unavailable],
  [500, code.Unknown],
])("an answer of another server, with HTTP status %d", async (status, code) => {
  const headers = { "content-type": "text/html" };
  const error = await thrown(answering(message, { status, headers }).with.v1.getStatus({}));
  expect([error.code, reasonOf(error)]).toEqual([code, "notABridge"]);
  expect(error.message).toContain(bridgeUrl);
});

test("only calls about leases get the credentials, and none goes into the path", async () => {
  const { requests, fetch } = answering([...message, ...ok]);
  const authentication = { type: "jwt", token: "a.b.c" } as const;
  const { v1, lease } = sdk({ authentication, transportOptions: { fetch, defaultTimeoutMs: 9 } });
  await v1.getStatus({});
  await lease.v1.serviceStatus({}, { timeoutMs: 1234, headers: { "akash-tail": "5" } });
  await lease.v1.serviceStatus({}, { header: { "akash-tail": "6" } });
  const sent = (name: string) => requests.map(({ headers }) => headers.get(name));
  expect(sent("authorization")).toEqual([null, "Bearer a.b.c", "Bearer a.b.c"]);
  expect(sent("grpc-timeout")).toEqual(["9m", "1234m", "9m"]);
  expect(sent("akash-tail")).toEqual([null, "5", "6"]);
  expect(requests.map(({ url }) => url.slice(bridgeUrl.length))).toEqual([
    "/akash1provider/chain-sdk/akash.provider.v1.ProviderRPC/GetStatus",
    "/akash1provider/chain-sdk/akash.provider.lease.v1.LeaseRPC/ServiceStatus",
    "/akash1provider/chain-sdk/akash.provider.lease.v1.LeaseRPC/ServiceStatus",
  ]);
  expect(requests.every(({ redirect }) => redirect === "error")).toBe(true);
});

test("a client certificate is sent as the bridge takes it", async () => {
  const { requests, fetch } = answering([...message, ...ok]);
  const authentication = { type: "mtls", cert: "-----BEGIN A", key: "-----BEGIN B" } as const;
  await sdk({ authentication, transportOptions: { fetch } }).lease.v1.serviceStatus({});
  const [headers] = requests.map(({ headers }) => headers);
  expect(headers?.get("akash-client-cert-bin")).toBe(btoa("-----BEGIN A"));
  expect(headers?.get("akash-client-key-bin")).toBe(btoa("-----BEGIN B"));
});

test("a call belongs to the page's trace", async () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const { requests, fetch } = answering([...message, ...ok]);
  const options = { transportOptions: { fetch } };
  await sdk({ ...options, traceparent: () => traceparent }).v1.getStatus();
  await sdk({ ...options, traceparent: () => undefined }).v1.getStatus();
  expect(requests.map(({ headers }) => headers.get("traceparent"))).toEqual([traceparent, null]);
});

const noSession = (): string => {
  throw new Error("no session");
};
const failing: [string, ProviderWebSDKOptions, string][] = [
  ["bridgeKey", { bridgeKey: noSession }, "no session"],
  ["bridgeKey", { bridgeKey: () => "\u{1f511}" }, ""],
  ["traceparent", { traceparent: noSession }, "no session"],
  ["traceparent", { traceparent: () => "a trace" }, "traceparent must return undefined or a text"],
];
test.each(failing)(
  "a function for %s that fails is not the bridge's fault",
  async (name, options, why) => {
    const { requests, fetch } = answering([...message, ...ok]);
    const error = await thrown(sdk({ ...options, transportOptions: { fetch } }).v1.getStatus());
    expect(error.code).toBe(code.InvalidArgument);
    expect(error.message).toContain(`the option ${name} failed: ${why}`);
    expect(reasonOf(error)).toBeUndefined();
    expect(requests).toEqual([]);
  },
);

test("a token that cannot be created is an error of the call", async () => {
  const { requests, fetch } = answering([...message, ...ok]);
  const authentication = {
    type: "jwt",
    getToken: () => Promise.reject(new Error("the wallet is locked")),
  } as const;
  const { lease } = sdk({ authentication, transportOptions: { fetch } });
  const error = await thrown(lease.v1.serviceStatus({}));
  expect(error.code).toBe(code.Unauthenticated);
  expect(error.message).toContain("the wallet is locked");
  expect(requests).toEqual([]);
});

test("a call that was aborted before is not sent", async () => {
  const { requests, with: sdk } = answering([...message, ...ok]);
  const error = await thrown(sdk.v1.getStatus({}, { signal: AbortSignal.abort("why") }));
  expect([error.code, error.cause]).toEqual([code.Canceled, "why"]);
  expect(requests).toEqual([]);
});

test("errors are of the given class", async () => {
  class SDKError extends TransportError {}
  const { fetch } = answering(frame(0x80, "grpc-status: 5\r\n"));
  const { v1 } = sdk({ errorClass: SDKError, transportOptions: { fetch } });
  expect(await thrown(v1.getStatus({}))).toBeInstanceOf(SDKError);
});

test("a stream that sends more than one message is not supported", async () => {
  const transport = createProviderWebTransport({ baseUrl: `${bridgeUrl}/akash1p/chain-sdk/` });
  const type = { $type: "x", encode: () => expect.fail(), decode: Object, fromPartial: Object };
  const method = { name: "Shell", kind: "bidi_streaming", parent: { typeName: "x.Y" } };
  const nothing = (async function* () {})();
  const call = transport.stream({ ...method, input: type, output: type }, nothing);
  expect((await thrown(call)).code).toBe(code.Unimplemented);
});

test.each([
  [{}, "bridgeUrl is missing"],
  [{ bridgeUrl }, "provider is missing"],
  [{ bridgeUrl, provider: "akash1…" }, 'provider is the placeholder "akash1…"'],
  [{ bridgeUrl, provider: "../status" }, "provider must be a provider's address"],
  [{ bridgeUrl: "ws://bridge", provider }, "begins with http"],
  [{ bridgeUrl, provider, baseUrl: bridgeUrl }, "not both"],
  [{ baseUrl: "https://bridge.example.com" }, "baseUrl must be"],
  [{ bridgeUrl, provider, authentication: { type: "basic" } }, "authentication.type"],
  [{ bridgeUrl, provider, authentication: { type: "jwt", token: "a b" } }, "authentication.token"],
  [{ bridgeUrl, provider, authentication: { type: "mtls", cert: "a", key: "b" } }, "PEM"],
])("%j is refused", (options, text) => {
  const create = () => createProviderWebSDK(options as ProviderWebSDKOptions);
  expect(create).toThrow(TypeError);
  expect(create).toThrow(text);
});

test("the entry is small, and the package's main entry does not have it", () => {
  const dist = new URL("../../dist/", import.meta.url);
  const read = (name: string) => readFileSync(new URL(name, dist), "utf8");
  expect(read("chain-sdk/index.js").length).toBeLessThan(30_000);
  for (const name of ["index.js", "node.js", "worker.js", "akash-provider-web.js"]) {
    expect(read(name).includes("@akashnetwork/chain-sdk"), name).toBe(false);
  }
});
