// A shell in xterm.js by way of React, as npm/docs/shell.md shows it.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root, Stage, until } from "./harness.js";

let stage: Stage;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "akash-shell-"));
  stage = await Stage.open({ fake: ["--shell"] });
});
afterAll(async () => {
  await stage?.close();
  await rm(folder, { recursive: true });
});

const running = async (): Promise<number> =>
  (await (await fetch(`${stage.fake.ready.control}/shells`)).json()).running;

test("a terminal in a page types, is resized, and ends with its component", async () => {
  const outfile = join(folder, "app.js");
  await build({
    entryPoints: [join(import.meta.dirname, "shell-app.tsx")],
    outfile,
    bundle: true,
    format: "iife",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"development"' },
    logLevel: "warning",
  });
  const page = await stage.page("module");
  const told: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) told.push(message.text());
  });
  page.on("pageerror", (error) => told.push(String(error)));
  await page.addStyleTag({ path: join(root, "npm/node_modules/@xterm/xterm/css/xterm.css") });
  await page.evaluate("globalThis.makeClient = async () => client");
  await page.addScriptTag({ path: outfile });
  const { provider, lease, jwt } = stage.fake.ready;
  await page.evaluate((options) => showShell(options), {
    provider,
    lease,
    service: "web",
    auth: { type: "jwt", token: jwt } as const,
  });
  const screen = () =>
    page.evaluate(() => {
      const { active } = globalThis.terminal?.buffer ?? {};
      const lines = Array.from({ length: active?.length ?? 0 }, (_, i) =>
        active?.getLine(i)?.translateToString(true),
      );
      return lines.join("\n");
    });
  const shows = (text: RegExp) => until(`${text}`, 10_000, async () => text.test(await screen()));

  await shows(/[#$] $/m);
  expect(await running()).toBe(1); // in strict mode, too
  await page.keyboard.type("stty size; echo gr$((40 + 2))\n");
  await shows(/^30 100\ngr42$/m);
  await page.evaluate(() => terminal.resize(72, 20));
  await page.keyboard.type("until [ \"$(stty size)\" = '20 72' ]; do :; done; echo re''sized\n");
  await shows(/^resized$/m);
  await page.keyboard.type("exit 3\n");
  await page.locator("p", { hasText: "ended 3" }).waitFor();
  await page.locator("button").click();
  await page.locator("p", { hasText: "open" }).waitFor();
  await shows(/[#$] $/m);
  expect(await running()).toBe(1);
  await page.evaluate(() => hideShell());
  await until("no process", 10_000, async () => (await running()) === 0);
  expect(told).toEqual([]);
});

test("what the documentation shows is what was tested", async () => {
  const [doc, app] = await Promise.all(
    ["npm/docs/shell.md", "npm/test/e2e/shell-app.tsx"].map((name) =>
      readFile(join(root, name), "utf8"),
    ),
  );
  const shown = /```typescript\n(function attach[\s\S]*?\n}\n)```/.exec(doc ?? "")?.[1];
  expect(shown).toBeDefined();
  expect(app).toContain(shown);
});
