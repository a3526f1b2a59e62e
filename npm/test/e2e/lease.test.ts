// A page's calls about a lease, with the same code for every protocol of the provider
// and every credential.

import { createHash } from "node:crypto";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Auth, GetManifestOptions, ManifestGroup } from "../../src/index.js";
import type { ClientCertificateKind, ReplicaLog } from "../../src/testing/index.js";
import { Stage, until } from "./harness.js";
import type { Failure } from "./page.js";

declare global {
  /** What the page's stream has delivered so far. */
  var seen: number;
}

/** Options of a call that are passed to the page. */
interface Request {
  auth?: Auth | undefined;
  lease?: object;
  filter?: { name?: string; replicas?: number[] };
  follow?: boolean;
  tail?: number;
  timeoutMs?: number;
  retries?: number;
  reconnect?: boolean;
}

/** What a page received from a stream. */
interface Outcome<T> {
  items: T[];
  error?: Failure;
}

/** A replica's log: its hash is over all lines, each with a newline. */
type Gathered = Pick<ReplicaLog, "service" | "replica" | "lines" | "sha256">;

/** Reads logs in the page until they end, or the given number of lines has arrived. */
function streamLogs(page: Page, request: object, lines = Infinity): Promise<Outcome<Gathered>> {
  return page.evaluate(
    async ([request, lines]) => {
      globalThis.seen = 0;
      const logs = new Map<string, { service: string; replica: number; text: string[] }>();
      let error: Failure | undefined;
      try {
        for await (const batch of client.streamLogs(request as never).batches()) {
          for (const { service, replica, message } of batch) {
            const name = `${service} ${replica}`;
            const log = logs.get(name) ?? { service, replica, text: [] };
            logs.set(name, log);
            log.text.push(message, "\n");
          }
          seen += batch.length;
          if (seen >= lines) break;
        }
      } catch (thrown) {
        const { name, code, reason, message, provider } = thrown as Failure;
        error = { name, code, reason, message, provider };
      }
      const items = await Promise.all(
        Array.from(logs.values(), async ({ service, replica, text }) => {
          const bytes = new TextEncoder().encode(text.join(""));
          const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
          const sha256 = Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("");
          return { service, replica, lines: text.length / 2, sha256 };
        }),
      );
      return error ? { items, error } : { items };
    },
    [request, lines === Infinity ? Number.MAX_SAFE_INTEGER : lines] as const,
  );
}

/** Reads another stream in the page until it ends, or the given number of items has arrived. */
function stream<T>(
  page: Page,
  method: "streamServiceStatus" | "streamLeaseEvents",
  request: object,
  count = Number.MAX_SAFE_INTEGER,
): Promise<Outcome<T>> {
  return page.evaluate(
    async ([method, request, count]) => {
      globalThis.seen = 0;
      const items: unknown[] = [];
      try {
        for await (const item of client[method](request as never)) {
          seen = items.push(item);
          if (items.length >= count) break;
        }
      } catch (thrown) {
        const { name, code, reason, message, provider } = thrown as Failure;
        return { items, error: { name, code, reason, message, provider } };
      }
      return { items };
    },
    [method, request, count] as const,
  ) as Promise<Outcome<T>>;
}

/** Makes a unary call in the page. */
function call(
  page: Page,
  method: "restartServices" | "sendManifest" | "getManifest",
  request: object,
) {
  return page.evaluate(
    async ([method, request]) => {
      const result = await client[method](request as never);
      if (result.status === "success") return result;
      const { name, code, reason, message, provider } = result.error;
      return { ...result, error: { name, code, reason, message, provider } };
    },
    [method, request] as const,
  );
}

/** Waits until the page's stream has delivered the given number of items. */
const given = (page: Page, count: number) =>
  until(
    `${count} items in the page`,
    30_000,
    async () => ((await page.evaluate("seen")) as number) >= count,
  );

const byReplica = (a: Gathered, b: Gathered) =>
  a.service.localeCompare(b.service) || a.replica - b.replica;

const total = (logs: { lines: number }[]) => logs.reduce((sum, { lines }) => sum + lines, 0);

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe.each([
  {
    dialect: "AEP-37 gRPC",
    flags: ["--lease-rpc", "aep37"],
    over: "grpc",
    transport: "websocket",
    history: 100_000,
  },
  {
    dialect: "REST",
    flags: ["--lease-rpc", "none"],
    over: "rest",
    transport: "fetch",
    history: 100_000,
  },
  // The same names with other fields, which must not be misread.
  {
    dialect: "REST beside the SDK's LeaseRPC",
    flags: ["--lease-rpc", "sdk"],
    over: "rest",
    transport: "auto",
    history: 5_000,
  },
] as const)("over $dialect", ({ flags, over, transport, history }) => {
  let stage: Stage;
  let page: Page;
  /** Everything that is visible in a page or its console. */
  const told: string[] = [];
  const secrets: string[] = [];

  beforeAll(async () => {
    stage = await Stage.open({ fake: [...flags, "--log-lines", `${history}`] });
    page = await open();
  });
  afterAll(() => stage?.close());

  async function open(): Promise<Page> {
    const page = await stage.page("module", { transport });
    page.on("console", (message) => told.push(message.text()));
    return page;
  }

  const byToken = (token: string): Auth => {
    secrets.push(token, ...token.split("."));
    return { type: "jwt", token };
  };
  const byCertificate = async (kind?: ClientCertificateKind): Promise<Auth> => {
    const pair = await stage.fake.clientCertificate(kind);
    const lines = pair.keyPem.split("\n").filter((line) => !line.startsWith("---") && line);
    secrets.push(pair.keyPem, ...lines, btoa(pair.keyPem).replace(/=+$/, ""));
    return pair;
  };

  const request = (options: Request = {}) => {
    const { provider, lease } = stage.fake.ready;
    return { provider, lease, ...options };
  };

  /** What the fake provider's replicas have written, without those that have written nothing. */
  const written = async (): Promise<Gathered[]> =>
    (await stage.fake.logs())
      .filter(({ lines }) => lines > 0)
      .map(({ bytes: _, ...log }) => log)
      .sort(byReplica);

  /** Reads logs that end without an error. */
  async function logs(options: Request, lines?: number): Promise<Gathered[]> {
    const { items, error } = await streamLogs(page, request(options), lines);
    expect(error, stage.errors()).toBeUndefined();
    return items.sort(byReplica);
  }

  describe.each(["JWT", "mTLS"])("with %s", (credential) => {
    let auth: Auth;

    beforeAll(async () => {
      auth = credential === "mTLS" ? await byCertificate() : byToken(stage.fake.ready.jwt);
    });

    test("the whole history arrives, in order and byte by byte", async () => {
      const want = await written();
      expect(total(want)).toBeGreaterThanOrEqual(history);
      expect(await logs({ auth })).toEqual(want);
    });

    test("followers get what is written", async () => {
      const before = await written();
      const following = logs({ auth, follow: true }, total(before) + 2 * before.length);
      await given(page, total(before));
      for (const log of before) await stage.fake.write(log, "two\nat once: 日本語 🚀\n");
      expect(await following).toEqual(await written());
    });

    test("a filter by name and replicas selects", async () => {
      const want = (await written()).filter(
        ({ service, replica }) => service === "web" && replica !== 1,
      );
      expect(want).toHaveLength(2);
      expect(await logs({ auth, filter: { name: "web", replicas: [0, 2] } })).toEqual(want);
      const db = (await written()).filter(({ service }) => service === "db");
      expect(await logs({ auth, filter: { name: "db" } })).toEqual(db);
    });

    test("a tail is the last lines, if the provider supports it", async () => {
      const want = await Promise.all(
        (await written()).map(async (log) => {
          if (over === "grpc") return log; // AEP-37 has no tail
          const last = (await stage.fake.log(log)).split("\n").slice(-8).join("\n");
          return { ...log, lines: Math.min(log.lines, 7), sha256: sha256(last) };
        }),
      );
      expect(await logs({ auth, tail: 7 })).toEqual(want);
    });

    test("a service's status arrives, and followers get its changes", async () => {
      const replicas = (services: Services) =>
        services.find(({ name }) => name === "db")?.status.total;
      const { items, error } = await stream<Services>(
        page,
        "streamServiceStatus",
        request({ auth }),
      );
      expect(error, stage.errors()).toBeUndefined();
      expect(items).toHaveLength(1);
      const before = replicas(items[0] as Services) as number;
      expect(before).toBeGreaterThanOrEqual(2);

      const following = stream<Services>(
        page,
        "streamServiceStatus",
        request({ auth, follow: true }),
        2,
      );
      await given(page, 1);
      await stage.fake.grow("db");
      const followed = await following;
      expect(followed.error, stage.errors()).toBeUndefined();
      expect(followed.items.map(replicas)).toEqual([before, before + 1]);
    });

    test("events arrive, and followers get new ones", async () => {
      const all = await stream<Event>(page, "streamLeaseEvents", request({ auth }));
      expect(all.error, stage.errors()).toBeUndefined();
      expect(all.items[0]).toMatchObject({
        type: "Normal",
        reason: "Scheduled",
        object: { kind: "Pod" },
      });

      const count = all.items.length + 1;
      const following = stream<Event>(
        page,
        "streamLeaseEvents",
        request({ auth, follow: true }),
        count,
      );
      await given(page, count - 1);
      await stage.fake.warn("web", "BackOff", "back-off restarting failed container");
      expect((await following).items.at(-1)).toMatchObject({
        type: "Warning",
        reason: "BackOff",
        note: "back-off restarting failed container",
        reportingController: "kubelet",
      });
    });

    test("a manifest is read and sent, and refused with the provider's message", async () => {
      const got = await call(page, "getManifest", request({ auth }));
      expect(got, stage.errors()).toMatchObject({ status: "success", method: "rest" });
      const manifest = await stage.fake.manifest();
      if (got.status === "success") expect(got.response as ManifestGroup[]).toEqual(manifest);

      const { provider, lease } = stage.fake.ready;
      const { dseq } = lease;
      const sent = await call(page, "sendManifest", { provider, dseq, auth, manifest });
      expect(sent, stage.errors()).toMatchObject({ status: "success", attempts: 1 });

      const changed = structuredClone(manifest);
      changed[0]?.services.splice(1);
      await stage.fake.expectManifest(changed);
      expect(
        await call(page, "sendManifest", { provider, lease, auth, manifest: changed }),
      ).toMatchObject({
        status: "success",
      });
      expect(await stage.fake.manifest()).toEqual(changed);
      await stage.fake.expectManifest(manifest);
      expect(
        await call(page, "sendManifest", {
          provider,
          dseq,
          auth,
          manifest: JSON.stringify(manifest),
        }),
      ).toMatchObject({ status: "success" });

      const wrong = structuredClone(manifest);
      for (const service of wrong[0]?.services ?? []) service.count = 0;
      const refused = await call(page, "sendManifest", { provider, dseq, auth, manifest: wrong });
      expect(refused).toMatchObject({
        status: "error",
        attempts: 1,
        error: { code: "INVALID_ARGUMENT", reason: "manifestRefused", provider },
      });
      expect(refused.status === "error" && refused.error.message).toContain(
        "service cannot have zero count",
      );
    });

    test("a restart returns the result of each replica, if the provider supports it", async () => {
      const web = { auth, filter: { name: "web" }, timeoutMs: 5_000 };
      if (over === "rest") {
        const result = await call(page, "restartServices", request(web));
        expect(result).toMatchObject({
          status: "error",
          attempts: 1,
          error: { code: "UNIMPLEMENTED", reason: "notImplemented" },
        });
        expect(result.status === "error" && result.error.message).toMatch(/AEP-37|version/);
        return;
      }
      const restart = async (options: Request) => {
        const result = await call(page, "restartServices", request(options));
        expect(result, stage.errors()).toMatchObject({
          status: "success",
          attempts: 1,
          method: "grpc",
        });
        return result.status === "success" ? (result.response as Restarted[]) : [];
      };
      const replicas = ["0", "1", "2"].map((replica) => ({ service: "web", replica }));
      expect(await restart(web)).toEqual(replicas.map((one) => ({ ...one, state: "active" })));
      expect(await restart({ ...web, timeoutMs: 1 })).toEqual(
        replicas.map((one) => ({ ...one, state: "pending" })),
      );
      expect(await restart({ ...web, filter: { name: "web", replicas: [1] } })).toHaveLength(1);
      await stage.fake.setFault("restart-failure");
      try {
        expect((await restart(web)).at(-1)).toEqual({
          service: "web",
          replica: "2",
          state: "failure",
          message: "CrashLoopBackOff: back-off 10s restarting failed container",
        });
      } finally {
        await stage.fake.clearFault("restart-failure");
      }
    });
  });

  /** Reads logs that end with an error, and returns it. */
  async function failure(options: Request, on = page): Promise<Failure> {
    const { items, error } = await streamLogs(on, request({ retries: 0, ...options }));
    expect(items).toEqual([]);
    expect(error, stage.errors()).toBeDefined();
    told.push(JSON.stringify(error));
    expect(error).toMatchObject({ name: "ProviderError", provider: stage.fake.ready.provider });
    expect(error?.message).toContain(stage.fake.ready.provider);
    return error as Failure;
  }

  const granting = (scope: string[]) => ({
    leases: {
      access: "granular",
      permissions: [{ provider: stage.fake.ready.provider, access: "scoped", scope }],
    },
  });

  test("a token signed by a wallet (ADR-036) that only permits logs gets them", async () => {
    const token = await stage.fake.token({ alg: "ES256KADR36", claims: granting(["logs"]) });
    expect(await logs({ auth: byToken(token), filter: { name: "db" } })).toEqual(
      (await written()).filter(({ service }) => service === "db"),
    );
  });

  test.each<{
    what: string;
    options: () => Request | Promise<Request>;
    code: string;
    reason: string;
    says: RegExp;
  }>([
    {
      what: "no credential",
      options: () => ({}),
      code: "UNAUTHENTICATED",
      reason: "credentialMissing",
      says: /needs a credential/,
    },
    {
      what: "an expired token",
      options: () => ({ auth: byToken(stage.fake.ready.expiredJwt) }),
      code: "UNAUTHENTICATED",
      reason: "tokenExpired",
      says: /expired at .* by this page's clock/,
    },
    {
      what: "a token that is not yet valid",
      options: async () => ({ auth: byToken(await stage.fake.token({ start: "1h" })) }),
      code: "UNAUTHENTICATED",
      reason: "tokenNotYetValid",
      says: /valid from .* on.* clock/,
    },
    {
      what: "a token without the scope",
      options: async () => ({
        auth: byToken(await stage.fake.token({ claims: granting(["shell"]) })),
      }),
      code: "PERMISSION_DENIED",
      reason: "scopeMissing",
      says: /scope "logs"/,
    },
    {
      what: "a token with somebody else's signature",
      options: async () => ({ auth: byToken(await stage.fake.token({ key: "forged" })) }),
      code: "UNAUTHENTICATED",
      reason: "tokenInvalid",
      says: /signature/,
    },
    {
      what: "a certificate that is not on the chain",
      options: async () => ({ auth: await byCertificate("absent") }),
      code: "UNAUTHENTICATED",
      reason: "certificateNotOnChain",
      says: /on the chain/,
    },
    {
      what: "a revoked certificate",
      options: async () => ({ auth: await byCertificate("revoked") }),
      code: "UNAUTHENTICATED",
      reason: "certificateNotOnChain",
      says: /revoked/,
    },
    {
      what: "an unknown lease",
      options: () => ({
        auth: byToken(stage.fake.ready.jwt),
        lease: { ...stage.fake.ready.lease, dseq: stage.fake.ready.lease.dseq + 1 },
      }),
      code: "NOT_FOUND",
      reason: "unknownLease",
      says: /no (such )?lease/,
    },
    {
      what: "an unknown service",
      options: () => ({ auth: byToken(stage.fake.ready.jwt), filter: { name: "nope" } }),
      code: "NOT_FOUND",
      reason: "unknownService",
      says: /no service/,
    },
  ])("$what is an error that says so", async ({ options, code, reason, says }) => {
    for (const follow of [false, true]) {
      const error = await failure({ ...(await options()), follow });
      expect(error).toMatchObject({ code, reason });
      expect(error.message).toMatch(says);
    }
  });

  test("a lease without pods is an error that says so", async () => {
    await stage.fake.setFault("no-pods");
    try {
      const error = await failure({ auth: byToken(stage.fake.ready.jwt) });
      expect(error).toMatchObject({ code: "NOT_FOUND", reason: "noRunningPods" });
      expect(error.message).toMatch(/no pod .* is running/);
    } finally {
      await stage.fake.clearFault("no-pods");
    }
  });

  test.each([
    ["behind", -7_200_000, "expiredJwt", "tokenExpired"],
    ["ahead", 7_200_000, "later", "tokenNotYetValid"],
  ])(
    "where the page's clock is %s, the provider judges the token",
    async (_, by, which, reason) => {
      const wrong = await open();
      await wrong.evaluate((by) => {
        globalThis.Date = new Proxy(Date, {
          construct: (real, given) =>
            given.length > 0 ? Reflect.construct(real, given) : new real(real.now() + by),
          get: (real, name) => (name === "now" ? () => real.now() + by : Reflect.get(real, name)),
        });
      }, by);
      const token =
        which === "expiredJwt"
          ? stage.fake.ready.expiredJwt
          : await stage.fake.token({ start: "1h", life: "3h" });
      const error = await failure({ auth: byToken(token) }, wrong);
      expect(error).toMatchObject({ code: "UNAUTHENTICATED", reason });
      expect(error.message).toMatch(/by the (provider|bridge)'s clock/);
      await wrong.close();
    },
  );

  test("getToken is called again if the provider refuses its token", async () => {
    const forged = await stage.fake.token({ key: "forged" });
    const { jwt } = stage.fake.ready;
    secrets.push(forged);
    const result = await page.evaluate(
      async ([request, forged, jwt]) => {
        const asked: string[] = [];
        const getToken = () => {
          const token = asked.length === 0 ? forged : jwt;
          asked.push(token);
          return token;
        };
        const auth = { type: "jwt" as const, getToken };
        const result = await client.getManifest({ ...(request as GetManifestOptions), auth });
        return { status: result.status, attempts: result.attempts, asked: asked.length };
      },
      [request(), forged, jwt] as const,
    );
    expect(result, stage.errors()).toEqual({ status: "success", attempts: 2, asked: 2 });
  });

  test("a crash of the provider ends a stream that may not reconnect, and calls work again after its restart", async () => {
    const auth = byToken(stage.fake.ready.jwt);
    const following = streamLogs(
      page,
      request({ auth, follow: true, retries: 0, reconnect: false }),
    );
    await given(page, 1);
    await stage.fake.crash();
    const { error } = await following;
    told.push(JSON.stringify(error));
    expect(error, stage.errors()).toMatchObject({ code: "UNAVAILABLE" });
    expect(error?.message).toContain(stage.fake.ready.provider);
    await stage.fake.revive();
    const want = await written();
    await until("the provider serves again", 20_000, async () => {
      const { items, error } = await streamLogs(page, request({ auth, retries: 0 }));
      return !error && total(items) === total(want);
    });
  });

  test("no log, metric, error or console output contains a token or key", async () => {
    const metrics = await (await fetch(`${stage.url}/metrics`)).text();
    expect(metrics).toContain("ServiceLogs");
    const log = stage.bridge.errors();
    expect(log).toContain("ServiceLogs");
    expect(told.length).toBeGreaterThan(10);
    // The first part of a token, its header, is always the same, and not secret.
    const kept = secrets.filter((secret) => secret.length > 20 && secret !== secrets[1]);
    expect(kept.length).toBeGreaterThan(10);
    for (const secret of kept) {
      for (const text of [metrics, log, ...told]) expect(text.includes(secret)).toBe(false);
    }
  });
});

type Services = { name: string; status: { total: number } }[];
interface Event {
  type: string;
  reason: string;
  note: string;
}
interface Restarted {
  service: string;
  replica: string;
  state: string;
  message?: string;
}
