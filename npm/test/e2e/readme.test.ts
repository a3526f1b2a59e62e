// Runs everything that users copy from the documents.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { build, type PluginBuild } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { executablePath } from "../../../testserver/chromium.mjs";
import type * as Package from "../../src/node.js";
import { root, Stage, until } from "./harness.js";

/** The documents from which users copy code. */
const documents = ["README.md", "npm/README.md", ...markdown("npm/docs")];

/** An example in one of them. */
interface Snippet {
  document: string;
  language: string;
  code: string;
}

const snippets: Snippet[] = documents.flatMap((document) => {
  const fences = readFileSync(join(root, document), "utf8").matchAll(/```(\w+)\n(.*?)```/gs);
  return [...fences].map(([, language = "", code = ""]) => ({ document, language, code }));
});

/** The examples for pages and programs; the others are for shells. */
const programs = snippets.filter(({ language }) => /^([jt]sx?|html)$/.test(language));

/** The examples that a test has used. */
const tested = new Set<Snippet>();

let stage: Stage;
/** A user's project, which has the package installed. */
let project: string;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--tee", "snp"] });
  project = await mkdtemp(join(tmpdir(), "akash-readme-"));
  const installed = {
    "akash-provider-web": "npm",
    "@akashnetwork": "npm/node_modules/@akashnetwork",
    "@types": "npm/node_modules/@types",
    "@playwright": "npm/test/readme/node_modules/@playwright",
    react: "npm/node_modules/react",
    "react-dom": "npm/node_modules/react-dom",
    vite: "npm/node_modules/vite",
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

/** Returns the paths of the documents in a directory. */
function markdown(directory: string): string[] {
  const names = readdirSync(join(root, directory), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".md")).map((name) => `${directory}/${name}`);
}

/** Returns a document's example in a language that contains a text. */
function example(language: string, text: string, document = "README.md"): string {
  const found = programs.filter(
    (s) => s.document === document && s.language === language && s.code.includes(text),
  );
  expect(found, `${document}: ${text}`).toHaveLength(1);
  const [snippet] = found as [Snippet];
  tested.add(snippet);
  return snippet.code;
}

/** Replaces an example's placeholders by a user's values. */
function fill(code: string): string {
  const { provider, lease, auth } = stage.fake;
  return code
    .replaceAll("http://127.0.0.1:8080", stage.url)
    .replaceAll('owner: "akash1…"', `owner: "${lease.owner}"`)
    .replaceAll('dseq: "1234567"', `dseq: "${lease.dseq}"`)
    .replaceAll("akash1…", provider)
    .replaceAll("eyJ…", auth.jwt.token);
}

/** Makes a bundle import the package from the site that serves it, with its module. */
function leavePackage({ onResolve }: PluginBuild): void {
  onResolve({ filter: /^akash-provider-web$/ }, () => ({ path: "/dist/index.js", external: true }));
}

/** Runs a program of npm in the project. If it fails, it throws the program's output. */
async function run(program: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: project,
    // Not the variables of this test's own run.
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

/** The directory of the templates of `npm create vite` and `npx create-next-app`. */
const vite = "npm/test/readme/node_modules/create-vite";
const next = "npm/test/readme/node_modules/create-next-app/dist/templates";

/** Template projects: their settings, the place of their code, and their TypeScript version. */
const stock = [
  {
    name: "Vite, vanilla-ts",
    tsconfig: `${vite}/template-vanilla-ts/tsconfig.json`,
    code: "src",
    typescript: "npm/node_modules/typescript",
    takes: /^ts$/,
  },
  {
    name: "Vite, react-ts",
    tsconfig: `${vite}/template-react-ts/tsconfig.app.json`,
    code: "src",
    typescript: "npm/node_modules/typescript",
    takes: /^tsx?$/,
  },
  {
    name: "Next.js, app router",
    tsconfig: `${next}/app/ts/tsconfig.json`,
    code: "app",
    typescript: "npm/test/readme/node_modules/typescript-5",
    takes: /^tsx?$/,
  },
];

describe.each(stock)("in a new project of $name", ({ name, tsconfig, code, typescript, takes }) => {
  const pasted = programs.filter(({ language }) => takes.test(language));

  test("no example has type errors", async () => {
    expect(pasted.length).toBeGreaterThan(5);
    const dir = join(project, name.replaceAll(/\W+/g, "-"));
    await mkdir(join(dir, code), { recursive: true });
    await cp(join(root, tsconfig), join(dir, "tsconfig.json"));
    for (const [i, snippet] of pasted.entries()) {
      await writeFile(join(dir, code, `example${i}.${snippet.language}`), snippet.code);
    }
    await run(join(root, typescript, "bin/tsc"), "-p", dir);
  });
});

test("a mistake in an example is found", async () => {
  const dir = join(project, "wrong");
  await mkdir(join(dir, "src"), { recursive: true });
  await cp(join(root, vite, "template-vanilla-ts/tsconfig.json"), join(dir, "tsconfig.json"));
  const wrong = example("ts", "// a provider's address").replace("bridgeUrl", "bridgeURL");
  await writeFile(join(dir, "src/wrong.ts"), wrong);
  const tsc = join(root, "npm/node_modules/typescript/bin/tsc");
  await expect(run(tsc, "-p", dir)).rejects.toThrow(/bridgeURL/);
});

describe.each([
  ["README.md", "// a provider's address"],
  ["npm/README.md", "document.body.append"],
])("the first example of %s", (document, text) => {
  test("works as it stands", async () => {
    const { active } = (await stage.fake.status()).cluster.leases;
    expect(await inPage(fill(example("ts", text, document)))).toMatch(
      document === "README.md" ? `${active}` : `${active} leases`,
    );
  });

  test("names a placeholder that was not replaced", async () => {
    const code = example("ts", text, document).replaceAll("http://127.0.0.1:8080", stage.url);
    expect(await inPage(code)).toBe(
      'provider is the placeholder "akash1…": put a provider\'s address in its place',
    );
  });
});

test.each(["README.md", "npm/README.md"])("the log of %s works as it stands", async (document) => {
  const [service] = stage.fake.services;
  const code = fill(example("ts", 'token: "eyJ…" },\n}))', document));
  const text = await inPage(code.replace('name: "web"', `name: "${service}"`));
  expect(text).toMatch(new RegExp(`^${service}/\\d+: `));
});

test("the documented credentials are accepted", async () => {
  const { outputFiles } = await build({
    stdin: { contents: fill(example("ts", "Auth[]", "npm/docs/credentials.md")), loader: "ts" },
    format: "esm",
    write: false,
  });
  const source = `data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? "")}`;
  const path = join(root, "npm/dist/node.js");
  const { createClient }: typeof Package = await import(path);
  const { ways }: { ways: Package.Auth[] } = await import(/* @vite-ignore */ source);
  const client = await createClient({ bridgeUrl: stage.url });
  const { provider, lease } = stage.fake;
  const outcomes: string[] = [];
  for (const auth of ways) {
    const { status, error } = await client.getManifest({ provider, lease, auth, retries: 0 });
    outcomes.push(status === "success" ? status : error.message);
  }
  expect(outcomes).toEqual([
    "success",
    "success",
    expect.stringContaining("auth.certPem is a placeholder"),
  ]);
});

test("the documented attestation works as it stands", async () => {
  const document = "npm/docs/attestation.md";
  expect(await inPage(fill(example("ts", "gpuReports", document)))).toBe("snp: 1184 bytes, 0 GPUs");
  const bound = `${fill(example("ts", "tlsPublicKey", document))}
    import { createClient } from "akash-provider-web";
    const client = await createClient({ bridgeUrl: "${stage.url}" });
    const { provider, lease, auth } = ${JSON.stringify({ ...stage.fake.ready, auth: stage.fake.auth.jwt })};
    const { error } = await quoteForKey(client, { provider, lease, auth }, new Uint8Array(8));
    console.log(error?.reason);`;
  expect(await inPage(bound)).toBe("nonceMismatch");
});

test("the documented use of the chain's SDK works as it stands", async () => {
  const { active } = (await stage.fake.status()).cluster.leases;
  const code = fill(example("ts", "createProviderWebSDK", "npm/docs/chain-sdk.md"));
  expect(await inPage(code)).toBe(`${active} leases, ${stage.fake.services}`);
});

test("the documented list of leases works as it stands", async () => {
  const { provider, lease } = stage.fake;
  const code = fill(example("ts", "listLeases", "npm/docs/api.md"));
  expect(await inPage(code)).toMatch(
    new RegExp(`^${lease.dseq} at ${provider} for [0-9.]+ uakt a block$`),
  );
});

/** Builds a program for a page, and returns its first output there. */
async function inPage(code: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: code, loader: "ts", resolveDir: project },
    bundle: true,
    write: false,
    format: "esm",
    plugins: [{ name: "beside the page", setup: leavePackage }],
  });
  const page = await stage.page("module");
  try {
    await page.evaluate("document.body.replaceChildren()");
    const said = page.waitForEvent("console").then((message) => message.text());
    const shown = page
      .waitForFunction("document.body.textContent")
      .then((text) => text.jsonValue())
      .then(String);
    for (const promise of [said, shown]) promise.catch(() => {});
    await page.addScriptTag({ type: "module", content: outputFiles[0]?.text ?? "" });
    return await Promise.race([said, shown]);
  } finally {
    await page.close();
  }
}

test("the README's static page works as it stands", async () => {
  const markup = example("html", "<!doctype html>");
  const page = await stage.page("script");
  await page.setContent(fill(markup));
  const { active } = (await stage.fake.status()).cluster.leases;
  await page.getByText(`${active} leases`).waitFor();
});

test("the documented script tag with a hash works", async () => {
  const tag = example("html", "integrity=", "npm/docs/static-page.md");
  const page = await stage.page("script");
  const hashes = await (await fetch(`${stage.url}/sri.json`)).json();
  const hash = hashes["akash-provider-web.min.js"];
  await page.evaluate("delete globalThis.AkashProvider");
  await page.setContent(
    tag.replace("https://bridge.example.com", stage.url).replace("sha384-…", hash),
  );
  await page.waitForFunction("globalThis.AkashProvider?.createClient");
});

test("the documented React component is the App of Vite's template as it stands", async () => {
  const dir = join(project, "vite-app");
  await cp(join(root, vite, "template-react-ts"), dir, { recursive: true });
  // Its plugin is not needed: Vite itself compiles JSX.
  await rm(join(dir, "vite.config.ts"));
  await writeFile(join(dir, "src/App.tsx"), fill(example("tsx", "useLogs", "npm/docs/react.md")));
  await run(join(root, "npm/node_modules/vite/bin/vite.js"), "build", dir, "--logLevel=warn");
  await using site = await serveFiles(join(dir, "dist"));
  const page = await stage.browser.newPage();
  await page.goto(site.url);
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

test("the documented command runs as it stands", async () => {
  const code = example("ts", "shell: true", "npm/docs/testing.md");
  await writeFile(join(project, "exec.js"), code);
  expect(await run("exec.js")).toBe("hello\n\n");
});

test("the documented test with Playwright works as it stands", async () => {
  await writeFile(
    join(project, "page.spec.ts"),
    example("ts", 'from "@playwright/test"', "npm/docs/testing.md"),
  );
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

/** Serves a user's page, which shows the status of the provider in its address. */
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
  return listening(server);
}

/** Serves the files of a directory. */
async function serveFiles(directory: string) {
  const types: Record<string, string> = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".wasm": "application/wasm",
  };
  const server = createServer(async ({ url = "/" }, response) => {
    const path = url === "/" ? "/index.html" : (url.split("?")[0] ?? "");
    try {
      const body = await readFile(join(directory, path));
      response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return listening(server);
}

/** Listens on a free port. */
async function listening(server: Server) {
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

// Which edits it, in a development server.
test("a module that accepts its replacement is the one of make test-bundlers", async () => {
  const code = example("js", "import.meta.hot", "npm/docs/web-app.md");
  const file = join(root, "npm/test/bundlers/hot-vite/plain.js");
  expect(await readFile(file, "utf8")).toContain(code);
});

// Last, after the others have used theirs.
test("every example is tested", () => {
  const left = programs.filter((snippet) => !tested.has(snippet));
  expect(left.map(({ document, code }) => `${document}:\n${code}`)).toEqual([]);
});
