import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
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

test("what the session does not permit is said before it is tried", async () => {
  await open(leasePath(), { name: "keplr" });
  await header().getByRole("link", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign in with Keplr" }).click();
  await page.waitForURL(`**/#${leasePath()}`);
  for (const [tab, button, what] of [
    ["Shell", "Start", "open a shell"],
    ["Files", "Download", "open a shell"],
    ["Manifest", "Send…", "send a manifest"],
  ] as const) {
    await page.getByRole("tab", { name: tab }).click();
    const panel = page.getByRole("tabpanel");
    await panel.getByText(`You signed in without allowing tokens to ${what}`).waitFor();
    expect(await panel.getByRole("button", { name: button, exact: true }).isDisabled()).toBe(true);
  }
});

describe("a token that expires while a log is followed", () => {
  /** Signs in with a wallet that counts what it signs, and follows the log. */
  async function follow(): Promise<void> {
    await open(leasePath(), {
      name: "keplr",
      script: `
        globalThis.signed = 0;
        globalThis.refuses = false;
        const { signArbitrary } = keplr;
        keplr.signArbitrary = async (...given) => {
          if (refuses) throw new Error("Request rejected");
          signed++;
          return signArbitrary(...given);
        };
        globalThis.ahead = 0;
        const Real = Date;
        globalThis.Date = class extends Real {
          constructor(...given) {
            if (given.length > 0) super(...given);
            else super(Real.now() + ahead);
          }
          static now() { return Real.now() + ahead; }
        };`,
    });
    await header().getByRole("link", { name: "Sign in" }).click();
    await page.getByLabel("A token is valid for").selectOption("5 minutes");
    await page.getByRole("button", { name: "Sign in with Keplr" }).click();
    await page.waitForURL(`**/#${leasePath()}`);
    await readLog();
    await page.getByText("Following").waitFor();
    expect(await page.evaluate("signed")).toBe(1);
  }

  /** Has ten minutes pass by the clocks of the page and of the provider. */
  async function pass(): Promise<void> {
    await fetch(`${stage.fake.ready.control}/clock?ahead=10m`, { method: "POST" });
    await page.evaluate("ahead = 600_000");
  }
  afterEach(() => fetch(`${stage.fake.ready.control}/clock?ahead=0s`, { method: "POST" }));

  const cut = () => fetch(`${stage.fake.ready.control}/cut`, { method: "POST" });
  const row = (text: string) => page.locator(".log-row:not(.away)", { hasText: text });

  test("is renewed by the wallet, and the log goes on without a gap", async () => {
    await follow();
    await pass();
    const web0 = { service: "web", replica: 0 };
    await stage.fake.write(web0, "with the first token\n");
    await row("with the first token").waitFor();
    expect(await page.evaluate("signed")).toBe(1);

    await cut();
    await stage.fake.write(web0, "in between\n");
    await row("Connected again after").waitFor();
    await stage.fake.write(web0, "with the second token\n");
    await row("with the second token").waitFor();
    // One token for all that is followed, and every line once.
    expect(await page.evaluate("signed")).toBe(2);
    expect(await row("in between").count()).toBe(1);
    expect(await page.locator(".log-mark.gap").count()).toBe(0);
    expect(await page.locator("[role=alert] .notice").count()).toBe(0);
  });

  test("ends the log if the person refuses, which is said with a way to sign in again", async () => {
    await follow();
    await pass();
    await page.evaluate("refuses = true");
    await cut();
    const notice = page.getByRole("tabpanel").locator("[role=alert] .notice");
    await notice.waitFor();
    expect(await notice.innerText()).toContain("Request rejected");
    expect(await notice.getByRole("link", { name: "Sign in again" }).getAttribute("href")).toBe(
      "#/sign-in",
    );
    // Asking the wallet once more is enough if it was a slip.
    await page.evaluate("refuses = false");
    await notice.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Following").waitFor();
    await readLog();
    expect(await page.evaluate("signed")).toBe(2);
  });
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
  await page.getByRole("tab", { name: "Shell" }).click();
  await page.getByText("Your token does not allow you to open a shell").waitFor();
  expect(await page.getByRole("button", { name: "Start", exact: true }).isDisabled()).toBe(true);

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
