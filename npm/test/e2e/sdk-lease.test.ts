// A provider that serves the LeaseRPC of the chain's SDK over gRPC, and whose REST gateway
// cannot be reached: pages read logs and send manifests as anywhere else.

import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Auth, LogEntry } from "../../src/index.js";
import { Stage, until } from "./harness.js";
import type { Failure } from "./page.js";

/** Where nothing listens. */
const nowhere = "https://localhost:1";

describe.each([1, 2])("without a REST gateway, %i replicas", (replicas) => {
  let stage: Stage;
  let bridgeUrl: string;
  let page: Page;
  let certificate: Auth;

  beforeAll(async () => {
    stage = await Stage.open({
      fake: ["--lease-rpc", "sdk-full", "--replicas", `${replicas}`, "--log-lines", "200"],
    });
    const { provider, grpc } = stage.fake.ready;
    const port = grpc.split(":").at(-1) ?? "";
    const flags = ["--provider", `${provider}=${nowhere}`, "--grpc-port", port];
    bridgeUrl = (await stage.fake.startBridge(...flags)).url;
    page = await stage.page("module", { bridgeUrl } as never);
    certificate = await stage.fake.clientCertificate();
  });
  afterAll(() => stage?.close());

  test("the whole log arrives, and no line claims a replica", async () => {
    const { provider, lease } = stage.fake.ready;
    const entries = await page.evaluate(
      async (request) => {
        const entries: LogEntry[] = [];
        for await (const entry of client.streamLogs(request as never)) entries.push(entry);
        return entries;
      },
      { provider, lease, auth: certificate },
    );
    expect(new Set(entries.map(({ replica }) => replica))).toEqual(new Set([-1]));
    const written = await Promise.all(
      stage.fake.services.flatMap((service) =>
        Array.from({ length: replicas }, (_, replica) => stage.fake.log({ service, replica })),
      ),
    );
    const lines = written.join("").split("\n").slice(0, -1);
    expect(lines).toHaveLength(200);
    expect(entries.map(({ message }) => message).sort()).toEqual(lines.sort());
  });

  test("a followed log that breaks has no line twice, and none is missing in silence", async () => {
    const { provider, lease, jwt } = stage.fake.ready;
    const service = stage.fake.services[0] as string;
    const auth: Auth = { type: "jwt", token: jwt };
    await page.evaluate(
      ([request]) => {
        globalThis.seen = 0;
        const messages: string[] = [];
        const gaps: unknown[] = [];
        const stream = client.streamLogs({
          ...request,
          onGap: (gap: unknown) => gaps.push(gap),
        } as never);
        (globalThis as { result?: unknown }).result = (async () => {
          try {
            for await (const { message } of stream) {
              messages.push(message);
              seen = messages.length;
              if (message === "the last line") break;
            }
          } catch (thrown) {
            const { code, reason, message } = thrown as Failure;
            return { messages, gaps, error: { code, reason, message } };
          }
          return { messages, gaps };
        })();
      },
      [{ provider, lease, auth, filter: { name: service }, follow: true }] as const,
    );
    await until("the history", 10_000, () => page.evaluate(() => seen >= 100));
    await stage.fake.cut();
    await stage.fake.write({ service, replica: 0 }, "after the break\nthe last line\n");
    const result = await page.evaluate(
      () =>
        (globalThis as { result?: unknown }).result as Promise<{
          messages: string[];
          gaps: unknown[];
          error?: unknown;
        }>,
    );
    expect(new Set(result.messages).size).toBe(result.messages.length);
    expect(result.gaps).toEqual([]);
    if (replicas > 1) {
      expect(result.error).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "logNotResumable",
      });
      return;
    }
    expect(result.error).toBeUndefined();
    const log = await stage.fake.log({ service, replica: 0 });
    expect(result.messages).toEqual(log.split("\n").slice(0, -1));
  });

  test("a manifest is sent, and refused with the provider's message", async () => {
    const { provider, lease } = stage.fake.ready;
    const manifest = await stage.fake.manifest();
    const send = (manifest: unknown) =>
      page.evaluate(
        async (request) => {
          const result = await client.sendManifest(request as never);
          if (result.status === "success") return { ok: true, method: result.method };
          const { code, reason, message } = result.error;
          return { code, reason, message };
        },
        { provider, lease, auth: certificate, manifest },
      );
    expect(await send(manifest), stage.errors()).toEqual({ ok: true, method: "grpc" });
    const other = structuredClone(manifest);
    for (const group of other) for (const service of group.services) service.image += "-other";
    expect(await send(other)).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "manifestRefused",
      message: expect.stringContaining("manifest version validation failed"),
    });
  });
});
