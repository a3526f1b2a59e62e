import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Stage } from "./harness.js";
import { getProviderStatus } from "./page.js";

const bridgeKey = "0123456789-the-key-of-this-bridge";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--log-lines", "20"], bridge: ["--caller-key", bridgeKey] });
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

describe.each(["page", "worker"])(
  "a bridge that serves only callers with a key, in a %s",
  (where) => {
    const worker = where === "worker";

    test("refuses a page without it", async () => {
      const page = await stage.page("module", { worker });
      const { error } = await getProviderStatus(page, stage.fake.ready.provider);
      expect(error).toMatchObject({ code: "PERMISSION_DENIED", reason: "bridgeKeyRefused" });
      expect(error?.message).toContain("bridgeKey");
    });

    test.each(["fetch", "websocket"] as const)("serves one with it, by %s", async (transport) => {
      const page = await stage.page("module", { worker, transport, bridgeKey });
      const { error } = await getProviderStatus(page, stage.fake.ready.provider);
      expect(error, stage.errors()).toBeUndefined();
      const { provider, lease, auth } = stage.fake;
      const lines = await page.evaluate(
        async (request) => {
          let lines = 0;
          for await (const _ of client.streamLogs(request)) lines++;
          return lines;
        },
        { provider, lease, auth: auth.jwt },
      );
      expect(lines).toBeGreaterThanOrEqual(20);
      expect(stage.errors()).not.toContain(bridgeKey);
    });
  },
);
