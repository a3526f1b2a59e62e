import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { root, Stage } from "./harness.js";

// Only a REST gateway verifies tokens.
let stage: Stage;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--lease-rpc", "none", "--log-lines", "5"] });
});
afterAll(() => stage?.close());
afterEach(() => context?.close());

/** The path of the testserver's lease. */
function leasePath(): string {
  const { provider, lease } = stage.fake.ready;
  return `/lease/${lease.owner}/${lease.dseq}/${lease.gseq}/${lease.oseq}/${provider}/logs`;
}

/** Opens the dashboard, in a browser with a wallet if there is one. */
async function open(path: string, wallet?: { name: string; script?: string }): Promise<void> {
  context = await stage.browser.newContext();
  page = await context.newPage();
  if (wallet) {
    const source = await readFile(join(root, "web/wallet-page.js"), "utf8");
    await page.exposeFunction("signAsTenant", (text: string) => stage.fake.sign(text));
    await page.addInitScript(`${source}
      globalThis.${wallet.name} = demoWallet({
        address: ${JSON.stringify(stage.fake.ready.lease.owner)},
        name: "main",
        sign: (text) => signAsTenant(text),
      });
      ${wallet.script ?? ""}`);
  }
  await page.goto(`${stage.url}/#${path}`);
}

/** Reads the log of the lease that is open, which the provider gives only to its owner. */
async function readLog(): Promise<void> {
  await page.locator(".log-row").first().waitFor();
}

/** What the page has stored. */
const stored = () =>
  page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );

const header = () => page.locator("header");

test.each([
  ["keplr", "Keplr"],
  ["leap", "Leap"],
])("%s signs a token that the provider verifies", async (name, label) => {
  await open(leasePath(), { name });
  await header().getByRole("link", { name: "Sign in" }).click();
  await page.getByRole("button", { name: `Sign in with ${label}` }).click();
  // Back at the lease, which was open before.
  await page.waitForURL(`**/#${leasePath()}`);
  await readLog();
  expect(await stored()).toBe('[{},{},""]');
});

test("a wallet that refuses can be asked again", async () => {
  await open("/sign-in", {
    name: "keplr",
    script: `
      const { enable } = keplr;
      keplr.enable = async () => { keplr.enable = enable; throw new Error("Request rejected"); };`,
  });
  const button = page.getByRole("button", { name: "Sign in with Keplr" });
  await button.click();
  await page.getByText("Keplr did not let the page in: Request rejected").waitFor();
  await button.click();
  await header().getByRole("button", { name: "Sign out" }).waitFor();
});

test("a wallet's tokens permit only what was chosen", async () => {
  await open(leasePath(), { name: "keplr" });
  await header().getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("see status, logs, events and manifest").uncheck();
  await page.getByRole("button", { name: "Sign in with Keplr" }).click();
  await page.getByText("Choose something that tokens may do.").waitFor();
  await page.getByLabel("restart services").check();
  await page.getByRole("button", { name: "Sign in with Keplr" }).click();
  await page.waitForURL(`**/#${leasePath()}`);
  await page.getByText("scopeMissing").waitFor();
});

test("another account in the wallet ends the session", async () => {
  await open("/sign-in", { name: "keplr" });
  await page.getByRole("button", { name: "Sign in with Keplr" }).click();
  await header().getByRole("button", { name: "Sign out" }).waitFor();
  await page.evaluate(() => dispatchEvent(new Event("keplr_keystorechange")));
  await header().getByRole("link", { name: "Sign in" }).waitFor();
});

test("a wallet is used again on the next visit only if the person wants that", async () => {
  await open("/sign-in", { name: "keplr" });
  await page.getByLabel("Remember wallet and choice on this device").check();
  await page.getByRole("button", { name: "Sign in with Keplr" }).click();
  await page.goto(`${stage.url}/#${leasePath()}`);
  await page.reload();
  await header().getByRole("button", { name: "Sign out" }).waitFor();
  await readLog();
  const held = await stored();
  expect(held).toContain("keplr");
  expect(held).not.toContain("eyJ");

  await header().getByRole("button", { name: "Sign out" }).click();
  expect(await stored()).toBe('[{},{},""]');
  await page.reload();
  await header().getByRole("link", { name: "Sign in" }).waitFor();
});

test("a token may be pasted as it was copied, and leads to the lease that it names", async () => {
  const { provider, lease } = stage.fake.ready;
  const deployment = { dseq: Number(lease.dseq), scope: ["logs", "status"], services: ["web"] };
  const token = await stage.fake.token({
    claims: {
      leases: {
        access: "granular",
        permissions: [{ provider, access: "granular", deployments: [deployment] }],
      },
    },
  });
  await open("/sign-in");
  const field = page.getByLabel("Token", { exact: true });
  await field.fill(token.slice(0, 60));
  await field.press("Enter");
  await page.getByText("a token has three parts").waitFor();
  await field.fill(`"Bearer ${token}"`);
  await field.press("Enter");
  await page.waitForURL(`**/#${leasePath()}`);
  await readLog();

  expect(await stored()).not.toContain(token);
  await page.reload();
  await header().getByRole("link", { name: "Sign in" }).waitFor();
});

test("an expired token is refused at once", async () => {
  await open("/sign-in");
  await page.getByLabel("Token", { exact: true }).fill(stage.fake.ready.expiredJwt);
  await page.getByLabel("Token", { exact: true }).press("Enter");
  await page.getByText("The token expired at").waitFor();
});

test("a token is kept in the tab only if the person wants that", async () => {
  await open("/sign-in");
  await page.getByLabel("Token", { exact: true }).fill(stage.fake.ready.jwt);
  await page.getByLabel("Keep it in this tab").check();
  await page.getByLabel("Token", { exact: true }).press("Enter");
  await page.goto(`${stage.url}/#${leasePath()}`);
  await page.reload();
  await header().getByRole("button", { name: "Sign out" }).waitFor();
  await readLog();
  await header().getByRole("button", { name: "Sign out" }).click();
  expect(await stored()).toBe('[{},{},""]');
});

test("a client certificate signs in", async () => {
  const { certPem, keyPem } = await stage.fake.clientCertificate();
  await open(leasePath());
  await header().getByRole("link", { name: "Sign in" }).click();
  const give = (...texts: string[]) =>
    page.getByLabel("PEM files").setInputFiles(
      texts.map((text, i) => ({
        name: `${i}.pem`,
        mimeType: "application/x-pem-file",
        buffer: Buffer.from(text),
      })),
    );
  const submit = page
    .locator("form", { has: page.getByLabel("PEM files") })
    .getByRole("button", { name: "Sign in" });
  await give(certPem);
  await submit.click();
  await page.getByText("None of the files has a private key").waitFor();
  await give(keyPem, certPem);
  await submit.click();
  await page.waitForURL(`**/#${leasePath()}`);
  await readLog();
  expect(await stored()).toBe('[{},{},""]');
});
