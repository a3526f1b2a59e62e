// Faults seen in the field that can be reproduced without a browser.

import { afterEach, expect, test, vi } from "vitest";
import { createClient } from "../../src/index.js";
import { answer, fakeBridge, trailers } from "./bridge.js";
import { wasmModule } from "./module.js";

afterEach(() => void vi.unstubAllGlobals());

const provider = "akash1provider";
const lease = { owner: "akash1owner", dseq: 1 };

test("field: a status in the headers was lost where an empty trailer frame followed", async () => {
  fakeBridge(
    answer([trailers("")], {
      headers: {
        "grpc-status": "14",
        "grpc-message": "no%20upstream",
        "akash-error": "providerUnreachable",
      },
    }),
  );
  const client = await createClient({
    bridgeUrl: "https://bridge.example",
    wasmModule,
    retries: 0,
  });
  const error = {
    code: "UNAVAILABLE",
    reason: "providerUnreachable",
    message: `provider ${provider}: no upstream`,
  };
  expect(await client.getProviderStatus(provider)).toMatchObject({ status: "error", error });
  const stream = client.streamLogs({ provider, lease, reconnect: false });
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject(error);
});
