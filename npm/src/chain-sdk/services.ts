// The services of a provider, from the messages that the SDK exports. Its own
// descriptions of services are not exported.
import * as messages from "@akashnetwork/chain-sdk/private-types/provider.akash.v1";
import type { MessageDesc, MethodDesc } from "./types.js";

/** A service, with its methods by the names that they have in JavaScript. */
export interface ServiceDesc {
  readonly typeName: string;
  readonly methods: Readonly<Record<string, MethodDesc>>;
}

/** google.protobuf.Empty, which the SDK does not export. */
const Empty: MessageDesc<object> = {
  $type: "google.protobuf.Empty",
  encode: () => ({ finish: () => new Uint8Array() }),
  decode: () => ({}),
  fromPartial: () => ({}),
};

type Method = [input: MessageDesc, output: MessageDesc, kind?: "server_streaming"];

/** describe builds a service from its methods by their names in the .proto file. */
function describe(typeName: string, methods: Record<string, Method>): ServiceDesc {
  const parent = { typeName };
  const entries = Object.entries(methods).map(([name, [input, output, kind]]) => {
    const localName = name.charAt(0).toLowerCase() + name.slice(1);
    return [localName, { name, kind: kind ?? "unary", parent, input, output }] as const;
  });
  return { typeName, methods: Object.fromEntries(entries) };
}

export const providerRPC = describe("akash.provider.v1.ProviderRPC", {
  GetStatus: [Empty, messages.Status],
  StreamStatus: [Empty, messages.Status, "server_streaming"],
  BidScreening: [messages.BidScreeningRequest, messages.BidScreeningResponse],
});

// The SDK has these since after 1.0.0-alpha.25.
const quote: MessageDesc | undefined = Reflect.get(messages, "AttestationQuoteRequest");
const quoted: MessageDesc | undefined = Reflect.get(messages, "AttestationQuoteResponse");

export const leaseRPC = describe("akash.provider.lease.v1.LeaseRPC", {
  SendManifest: [messages.SendManifestRequest, messages.SendManifestResponse],
  ServiceStatus: [messages.ServiceStatusRequest, messages.ServiceStatusResponse],
  StreamServiceStatus: [
    messages.ServiceStatusRequest,
    messages.ServiceStatusResponse,
    "server_streaming",
  ],
  ServiceLogs: [messages.ServiceLogsRequest, messages.ServiceLogsResponse],
  StreamServiceLogs: [
    messages.ServiceLogsRequest,
    messages.ServiceLogsResponse,
    "server_streaming",
  ],
  ...(quote && quoted && { AttestationQuote: [quote, quoted] satisfies Method }),
});
