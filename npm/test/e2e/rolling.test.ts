// Two bridges behind a load balancer are replaced one after the other while pages follow
// 200 logs and ask for statuses. The balancers are Debian's nginx and HAProxy.

import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { freePorts } from "../../../testserver/chaos/ports.mjs";
import { start } from "../../../web/program.mjs";
import { root, Stage, until } from "./harness.js";
import { nginxSockets, type RunningProxy, startHAProxy, startNginx } from "./proxies.js";

/** What a page has seen. */
interface Rolled {
  logs: string[];
  gaps: number;
  errors: string[];
  statuses: number;
  reconnects: number;
}

declare global {
  var rolled: Rolled;
}

const pages = 4;
const streamsPerPage = 50;

let stage: Stage;

beforeEach(async () => {
  stage = await Stage.open({
    fake: ["--log-lines", "20"],
    chromium: ["--ignore-certificate-errors"],
  });
});
afterEach(() => stage.close());

/** Follows the same log many times in a page, and asks for the status all the time. */
function run(page: Page, service: string): Promise<void> {
  const { provider, lease, auth } = stage.fake;
  return page.evaluate(
    ({ request, streams }) => {
      const seen: Rolled = {
        logs: Array.from({ length: streams }, () => ""),
        gaps: 0,
        errors: [],
        statuses: 0,
        reconnects: 0,
      };
      globalThis.rolled = seen;
      const follow = async (n: number) => {
        const stream = client.streamLogs({
          ...request,
          follow: true,
          onGap: () => seen.gaps++,
          onState: (state) => {
            if (state === "reconnecting") seen.reconnects++;
          },
        });
        for await (const { message } of stream) seen.logs[n] += `${message}\n`;
        throw new Error("the log ended");
      };
      const ask = async () => {
        for (;;) {
          const result = await client.getProviderStatus(request.provider);
          if (result.status !== "success") throw new Error(result.error.message);
          seen.statuses++;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const failed = (error: unknown) => {
        seen.errors.push(String(error));
      };
      for (let n = 0; n < streams; n++) follow(n).catch(failed);
      ask().catch(failed);
    },
    {
      request: { provider, lease, auth: auth.jwt, filter: { name: service, replicas: [0] } },
      streams: streamsPerPage,
    },
  );
}

test.each([
  [
    "nginx",
    (urls: string[]) =>
      // Otherwise nginx does not use a bridge for 10 s after a failure, and none if the other
      // one is replaced meanwhile.
      startNginx("http://bridges", {
        tls: true,
        http: [
          `upstream bridges { ${urls.map((url) => `server ${new URL(url).host} max_fails=0;`).join(" ")} }`,
        ],
        lines: [...nginxSockets, "proxy_read_timeout 1h;"],
      }),
  ],
  [
    "HAProxy",
    (urls: string[]) =>
      startHAProxy(urls[0] as string, {
        tls: true,
        lines: [
          "option httpchk GET /readyz",
          "default-server check inter 200ms",
          "timeout tunnel 1h",
        ],
        servers: urls,
      }),
  ],
] satisfies [string, (urls: string[]) => Promise<RunningProxy>][])(
  "bridges behind %s are replaced while pages follow 200 logs, and no page notices",
  async (_, startProxy) => {
    const { fake } = stage;
    const first = await freePorts(2);
    const listen = [0, 1].map((n) => `127.0.0.1:${first + n}`);
    const startBridge = (address: string) =>
      start(
        join(root, "bin/akash-provider-bridge"),
        [
          ...["--listen", address, "--chain-rpc", fake.ready.chainRpc, "--allow-private-networks"],
          ...["--trusted-proxy", "127.0.0.1", "--drain-delay", "1s"],
        ],
        { quiet: true },
      );
    const bridges = [];
    for (const address of listen) {
      const bridge = await startBridge(address);
      onTestFinished(() => bridge.stop());
      bridges.push(bridge);
    }
    const proxy = await startProxy(bridges.map(({ ready }) => ready.url));
    onTestFinished(() => proxy[Symbol.asyncDispose]());

    const [log] = await fake.logs();
    if (!log) throw new Error("the testserver has no logs");
    let ticks = 0;
    let writing: Promise<void> = Promise.resolve();
    const ticking = setInterval(() => {
      writing = writing.then(() => fake.write(log, `tick ${++ticks}\n`));
    }, 100);
    onTestFinished(() => clearInterval(ticking));

    const open: Page[] = [];
    for (let n = 0; n < pages; n++) {
      const page = await stage.page("module", { bridgeUrl: proxy.url });
      await run(page, log.service);
      open.push(page);
    }
    const seen = () => Promise.all(open.map((page) => page.evaluate(() => rolled)));
    // Not all that they have seen, which would be most of the work here.
    const caughtUp = async () => {
      const { length } = await fake.log(log);
      for (const page of open) {
        await until("all streams have all lines", 60_000, () =>
          page.evaluate(
            (length) =>
              rolled.errors.length > 0 || rolled.logs.every((log) => log.length >= length),
            length,
          ),
        );
      }
    };
    await caughtUp();

    for (const [n, bridge] of bridges.entries()) {
      await bridge.terminate();
      expect(await bridge.ended, bridge.errors()).toBe(0);
      const next = await startBridge(listen[n] as string);
      onTestFinished(() => next.stop());
      await until(
        "the balancer uses it",
        10_000,
        async () => (await fetch(`${next.ready.url}/readyz`)).ok,
      );
      await caughtUp();
    }

    clearInterval(ticking);
    await writing;
    await caughtUp();
    for (const page of open) {
      await until("calls go on in every page", 20_000, () =>
        page.evaluate(() => rolled.errors.length > 0 || rolled.statuses > 10),
      );
    }
    const text = await fake.log(log);
    for (const { logs, ...rest } of await seen()) {
      expect(rest).toMatchObject({ gaps: 0, errors: [] });
      expect(rest.reconnects).toBeGreaterThan(0);
      expect(logs.filter((log) => log !== text)).toEqual([]);
    }
  },
  300_000,
);
