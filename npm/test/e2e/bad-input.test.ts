import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { CertificateKind, Fault } from "../../src/testing/index.js";
import { Stage, workersOf } from "./harness.js";
import { getProviderStatus } from "./page.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.closePages());
afterAll(() => stage?.close());

// A valid address without a provider.
const stranger = "akash1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq7cdc78";

/** Faults, and the errors that a page must get. */
interface Case {
  what: string;
  address?: () => string;
  fault?: Fault;
  certificate?: CertificateKind;
  code: string;
  reason?: string;
  says: RegExp;
}

const cases: Case[] = [
  {
    what: "a malformed address",
    address: () => "akash1nonsense",
    code: "INVALID_ARGUMENT",
    reason: "malformedAddress",
    says: /address/i,
  },
  {
    what: "a mistyped address",
    address: () => `${stranger.slice(0, -1)}9`,
    code: "INVALID_ARGUMENT",
    reason: "malformedAddress",
    says: /^"akash1q+7cdc79" is not an Akash address: its checksum is wrong/,
  },
  {
    what: "an unknown address",
    address: () => stranger,
    code: "NOT_FOUND",
    reason: "unknownProvider",
    says: /chain/i,
  },
  {
    what: "a chain that is down",
    fault: "chain-down",
    code: "UNAVAILABLE",
    reason: "chainUnavailable",
    says: /chain/i,
  },
  {
    what: "a chain behind a broken proxy",
    fault: "chain-500",
    code: "UNAVAILABLE",
    reason: "chainUnavailable",
    says: /chain/i,
  },
  {
    what: "a chain that answers garbage",
    fault: "chain-garbage",
    code: "UNAVAILABLE",
    reason: "chainUnavailable",
    says: /chain/i,
  },
  {
    what: "a provider that is down",
    fault: "refuse",
    code: "UNAVAILABLE",
    reason: "providerUnreachable",
    says: /refuse/i,
  },
  {
    what: "an expired certificate",
    certificate: "expired",
    code: "FAILED_PRECONDITION",
    reason: "expired",
    says: /expired/i,
  },
  {
    what: "a certificate that is not yet valid",
    certificate: "notYetValid",
    code: "FAILED_PRECONDITION",
    reason: "notYetValid",
    says: /valid only from/i,
  },
  {
    what: "somebody else's certificate",
    certificate: "wrongCN",
    code: "FAILED_PRECONDITION",
    reason: "wrongOwner",
    says: /certificate/i,
  },
  {
    what: "a revoked certificate",
    certificate: "revoked",
    code: "FAILED_PRECONDITION",
    reason: "revoked",
    says: /revoked/i,
  },
  {
    what: "a certificate that the chain does not know",
    certificate: "absent",
    code: "FAILED_PRECONDITION",
    reason: "unknownCertificate",
    says: /chain/i,
  },
  {
    what: "a certificate of the same serial and another key",
    certificate: "otherKey",
    code: "FAILED_PRECONDITION",
    reason: "fingerprintMismatch",
    says: /fingerprint|certificate/i,
  },
  {
    what: "a provider whose messages are garbage",
    fault: "garbage-message",
    code: "INTERNAL",
    says: /JSON|read/i,
  },
];

describe.each(cases)("$what", ({ address, fault, certificate, code, reason, says }) => {
  test("is an error that names provider and cause, in the result and in the dashboard", async () => {
    const asked = address?.() ?? stage.fake.ready.provider;
    if (fault) await stage.fake.setFault(fault);
    if (certificate) await stage.fake.setCertificate(certificate);
    // A separate bridge, since another one may have cached something.
    await using other = await stage.withNewBridge();
    try {
      const page = await other.dashboard({ provider: asked });
      const result = await getProviderStatus(page, asked, { retries: 0 });
      expect(result, other.errors()).toMatchObject({
        status: "error",
        error: { name: "ProviderError", code },
        attempts: 1,
      });
      if (reason) expect(result.error?.reason).toBe(reason);
      expect(result.error?.message).toContain(asked);
      expect(result.error?.message).toMatch(says);

      const notice = page.locator("#status-notice .notice-text");
      await notice.waitFor();
      expect(await notice.textContent()).toContain(asked);
      expect(await notice.textContent()).toMatch(says);
      expect(await page.locator("#status-line").textContent()).toBe("Failed");

      await page.evaluate(
        "AkashProvider.createClient({ bridgeUrl: location.origin, worker: true }).then((c) => { client = c })",
      );
      const inWorker = await getProviderStatus(page, asked, { retries: 0 });
      expect(await workersOf(page)).toBe(1);
      const { message: _, ...error } = result.error ?? {};
      expect(inWorker).toMatchObject({ status: "error", attempts: 1, error });
      expect(inWorker.error?.message).toContain(asked);
      expect(inWorker.error?.message).toMatch(says);
    } finally {
      if (fault) await stage.fake.clearFault(fault);
      if (certificate) await stage.fake.setCertificate("valid");
    }
  });
});

test("garbage in a gRPC message is an error that names provider and cause", async () => {
  await stage.fake.setFault("garbage-message");
  await using other = await stage.withNewBridge();
  try {
    const page = await other.dashboard();
    const result = await getProviderStatus(page, stage.fake.ready.provider, {
      retries: 0,
      checkVersion: false,
    });
    expect(result, other.errors()).toMatchObject({
      status: "error",
      method: "grpc",
      error: { code: "INTERNAL" },
    });
    expect(result.error?.message).toContain(stage.fake.ready.provider);
    expect(result.error?.message).toMatch(/read/);
  } finally {
    await stage.fake.clearFault("garbage-message");
  }
});

test("a gRPC port with another protocol does not prevent calls over REST", async () => {
  await stage.fake.setFault("garbage-frames");
  await using other = await stage.withNewBridge();
  try {
    const page = await other.dashboard();
    const result = await getProviderStatus(page, stage.fake.ready.provider, { retries: 0 });
    expect(result, other.errors()).toMatchObject({ status: "success", method: "rest" });
  } finally {
    await stage.fake.clearFault("garbage-frames");
  }
});

describe.each<Fault>(["hang-accept", "hang-headers", "chain-slow=1m"])(
  "a %s that would last for ever",
  (fault) => {
    test("ends when the call times out", async () => {
      const timeoutMs = 1_000;
      await stage.fake.setFault(fault);
      await using other = await stage.withNewBridge();
      try {
        const page = await other.dashboard();
        const result = await getProviderStatus(page, stage.fake.ready.provider, {
          timeoutMs,
          retries: 1,
        });
        expect(result, other.errors()).toMatchObject({
          status: "error",
          error: { code: "DEADLINE_EXCEEDED" },
        });
        expect(result.error?.message).toContain(stage.fake.ready.provider);
        // Two attempts, and the pause between them.
        expect(result.took).toBeLessThan(2 * timeoutMs + 3_000);
      } finally {
        await stage.fake.clearFault(fault);
      }
    });
  },
);
