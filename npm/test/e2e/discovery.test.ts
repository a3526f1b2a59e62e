import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Fault } from "../../src/testing/index.js";
import { loadScript, Stage, slowness } from "./harness.js";
import "./page.js";

/** The number of providers, and the time limit for each, in milliseconds. */
const providers = 200;
const timeoutMs = Math.round(5_000 * slowness());

/** The faults of a fifth of them, in turn. */
const ailments: Fault[] = ["refuse", "hang-accept", "slow-connect=1m", "hang-headers"];

let folder: string;
let stage: Stage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "akash-discovery-"));
  execFileSync(
    "openssl",
    [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1".split(" "),
      ..."-keyout key.pem -out cert.pem -subj /CN=localhost".split(" "),
    ],
    { cwd: folder, stdio: "ignore" },
  );
  const versions = "0.4.8,0.6.4,0.8.4,0.14.0,0.16.2";
  stage = await Stage.open({
    fake: ["--providers", `${providers}`, "--provider-version", versions],
  });
  for (const [i, { provider }] of all().entries()) {
    // Not i % 5, which would be all of one version.
    const fault = ailments[Math.floor(i / 5) % ailments.length] as Fault;
    if (isDead(i)) await stage.fake.setFault(fault, provider);
  }
});
afterAll(async () => {
  await stage?.close();
  await rm(folder, { recursive: true });
});

const all = () => stage.fake.providers;
const isDead = (i: number) => i % 5 === Math.floor(i / 5) % 5;

describe.each([
  ["HTTP/2", () => ["--tls-cert", join(folder, "cert.pem"), "--tls-key", join(folder, "key.pem")]],
  ["HTTP/1.1", () => []],
] as const)("over %s", (protocol, flags) => {
  test("200 providers, a fifth of them dead, take no longer than a single dead one", async () => {
    await using fresh = await stage.withNewBridge(...flags());
    const page = await stage.browser.newPage({ ignoreHTTPSErrors: true });
    // Not the dashboard, which asks all providers itself.
    await page.goto(`${fresh.url}/healthz`);
    await loadScript(page);
    await page.evaluate(
      "AkashProvider.createClient({ bridgeUrl: location.origin }).then((c) => { client = c })",
    );
    const { took, results } = await page.evaluate(
      async ([addresses, timeoutMs]) => {
        const start = performance.now();
        const results = [];
        for await (const result of client.discoverProviders(addresses, { timeoutMs, retries: 0 })) {
          const { provider, status } = result;
          const code = result.status === "error" ? result.error.code : undefined;
          const message = result.status === "error" ? result.error.message : undefined;
          results.push({ provider, status, code, message, after: performance.now() - start });
        }
        const took = performance.now() - start;
        await client.cleanupConnections();
        return { took, results };
      },
      [all().map(({ provider }) => provider), timeoutMs] as const,
    );
    await page.close();

    const living = results.filter(({ status }) => status === "success");
    const last = Math.max(...living.map(({ after }) => after));
    console.log(
      `discovery over ${protocol}: ${living.length} of ${results.length} providers answered,`,
      `the last after ${Math.round(last)} ms; all done after ${Math.round(took)} ms`,
    );
    const answered = new Set(living.map(({ provider }) => provider));
    expect(results).toHaveLength(providers);
    const wrong = all().flatMap(({ provider }, i) => {
      if (answered.has(provider) !== isDead(i)) return [];
      return [results.find((r) => r.provider === provider)];
    });
    expect(wrong).toEqual([]);
    // All are called at once. On a busy machine, making the calls takes additional time.
    expect(took).toBeLessThan(1.5 * timeoutMs);
  });
});
