import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type PluginBuild } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { executablePath } from "../../../testserver/chromium.mjs";
import { root, Stage, until } from "./harness.js";

let stage: Stage;
let readme: string;
/** A user's project, which has the package installed. */
let project: string;

beforeAll(async () => {
  stage = await Stage.open();
  readme = await readFile(join(root, "README.md"), "utf8");
  project = await mkdtemp(join(tmpdir(), "akash-readme-"));
  const installed = {
    "akash-provider-web": "npm",
    "@types": "npm/node_modules/@types",
    "@playwright": "npm/test/readme/node_modules/@playwright",
    react: "npm/node_modules/react",
    "react-dom": "npm/node_modules/react-dom",
    vitest: "npm/node_modules/vitest",
  };
  await mkdir(join(project, "node_modules"));
  for (const [name, path] of Object.entries(installed)) {
    await symlink(join(root, path), join(project, "node_modules", name));
  }
  await writeFile(join(project, "package.json"), '{ "type": "module" }');
});
afterAll(async () => {
  await stage?.close();
  await rm(project, { recursive: true });
});

/** Returns the README's example in a language that contains a text. */
function example(language: string, text: string): string {
  const fences = readme.matchAll(/```(\w+)\n(.*?)```/gs);
  const [found, ...more] = [...fences].filter(
    ([, l, code]) => l === language && code?.includes(text),
  );
  expect(more, text).toEqual([]);
  expect(found, text).toBeDefined();
  return found?.[2] ?? "";
}

/** Has a bundle import the package from the site that serves it, with its module. */
function leavePackage({ onResolve }: PluginBuild): void {
  onResolve({ filter: /^akash-provider-web$/ }, () => ({ path: "/dist/index.js", external: true }));
}

/** Runs a program of npm's in the project; it throws what the program wrote if that fails. */
async function run(program: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: project,
    // Not this test's own run.
    env: { PATH: process.env.PATH, HOME: project, CHROMIUM: executablePath },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      output += text;
    });
  }
  const code = await new Promise((resolve) => child.on("exit", resolve));
  if (code !== 0) throw new Error(output);
  return output;
}

test("the README's examples have no type errors", async () => {
  await writeFile(join(project, "app.tsx"), example("tsx", "useLogs"));
  await writeFile(join(project, "logs.test.ts"), example("ts", 'from "vitest"'));
  await writeFile(join(project, "page.spec.ts"), example("ts", 'from "@playwright/test"'));
  const compilerOptions = {
    target: "es2022",
    lib: ["es2022", "dom", "esnext.disposable"],
    module: "preserve",
    moduleResolution: "bundler",
    jsx: "react-jsx",
    types: [],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const files = ["app.tsx", "logs.test.ts", "page.spec.ts"];
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  await run(join(root, "npm/node_modules/typescript/bin/tsc"), "-p", project);
});

test("the README's static page works as it stands", async () => {
  const markup = example("html", "<!doctype html>");
  const page = await stage.page("script");
  await page.setContent(
    markup
      .replaceAll("http://127.0.0.1:8080", stage.url)
      .replaceAll("akash1…", stage.fake.provider),
  );
  const { active } = (await stage.fake.status()).cluster.leases;
  await page.getByText(`${active} leases`).waitFor();
});

test("the README's React component works as it stands", async () => {
  const component = example("tsx", "useLogs").replaceAll("http://127.0.0.1:8080", stage.url);
  await writeFile(join(project, "app.tsx"), component);
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { createRoot } from "react-dom/client";
        import { App } from "./app.tsx";
        globalThis.show = (props) => createRoot(document.body).render(<App {...props} />);`,
      loader: "tsx",
      resolveDir: project,
    },
    bundle: true,
    write: false,
    format: "esm",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [{ name: "beside the page", setup: leavePackage }],
  });
  const page = await stage.page("module");
  await page.addScriptTag({ type: "module", content: outputFiles[0]?.text ?? "" });
  // An inline module that imports another runs when that one has come, with nothing to await.
  await page.waitForFunction(() => "show" in globalThis);
  const { provider, lease, auth } = stage.fake;
  await page.evaluate(
    (props) => (globalThis as unknown as { show: (props: object) => void }).show(props),
    { provider, lease, auth: auth.jwt },
  );
  const { active } = (await stage.fake.status()).cluster.leases;
  await page.getByText(`${active} leases, log open`).waitFor();
  await until("the log is shown", 10_000, async () => (await page.locator("pre").count()) === 1000);
});

test("the README's test with Vitest works as it stands", async () => {
  await writeFile(join(project, "logs.test.ts"), example("ts", 'from "vitest"'));
  const output = await run(
    join(root, "npm/node_modules/vitest/vitest.mjs"),
    "run",
    "logs.test",
    "--testTimeout=60000",
  );
  expect(output).toMatch(/1 passed/);
});

test("the README's test with Playwright works as it stands", async () => {
  await writeFile(join(project, "page.spec.ts"), example("ts", 'from "@playwright/test"'));
  await using site = await serveApp();
  await writeFile(
    join(project, "playwright.config.ts"),
    `export default {
      testMatch: "*.spec.ts",
      expect: { timeout: 30_000 },
      use: {
        baseURL: ${JSON.stringify(site.url)},
        launchOptions: { executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] },
      },
    };`,
  );
  const cli = join(root, "npm/test/readme/node_modules/@playwright/test/cli.js");
  expect(await run(cli, "test")).toMatch(/1 passed/);
});

/** Serves a user's page, which tells how the provider is that its address names. */
async function serveApp() {
  const page = `<!doctype html><link rel="icon" href="data:,"><p>…</p>
    <script>
      const { bridge, provider } = Object.fromEntries(new URLSearchParams(location.search));
      const script = document.head.appendChild(document.createElement("script"));
      script.src = bridge + "/akash-provider-web.min.js";
      script.onload = async () => {
        const client = await AkashProvider.createClient({ bridgeUrl: bridge });
        const { error } = await client.getProviderStatus(provider);
        document.querySelector("p").textContent = error ? error.message : "fine";
      };
    </script>`;
  const server = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
