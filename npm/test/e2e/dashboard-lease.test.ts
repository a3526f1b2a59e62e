// The dashboard's list of leases and its page of a lease, as a tenant uses them.

import { createHash } from "node:crypto";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Stage, until } from "./harness.js";
import "./page.js";

declare global {
  /** The sizes of what a file that the page saves has been given so far. */
  var wrote: number[];
}

let stage: Stage;
let page: Page;
let trouble: string[];

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--shell", "--log-lines", "100"] });
});
afterAll(() => stage?.close());

beforeEach(() => {
  trouble = [];
});
afterEach(async () => {
  // The page's policy forbids what it does not need, so there must be no violation.
  expect(trouble).toEqual([]);
  await page.close();
});

/** Opens an address of the dashboard, at a bridge. */
async function open(path: string, at = stage): Promise<void> {
  page = await at.browser.newPage();
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(error.message));
  page.setDefaultTimeout(15_000);
  // Without the file picker, files are saved as downloads, which a test can read.
  await page.addInitScript("delete window.showSaveFilePicker");
  await page.goto(`${at.url}/#${path}`);
}

/** Signs in with a token in the view that is open, which then leads back to the one before. */
async function signIn(token = stage.fake.ready.jwt): Promise<void> {
  const form = page.getByRole("form", { name: "With a token" });
  await form.getByLabel("Token", { exact: true }).fill(token);
  await form.getByRole("button", { name: "Sign in" }).click();
}

/** Opens a part of the testserver's lease, and signs in there. */
async function openPart(view: string, at = stage, token?: string): Promise<void> {
  await open(partPath(view), at);
  await page.locator("main").getByRole("link", { name: "Sign in" }).click();
  await signIn(token);
  await page.getByRole("tab", { selected: true }).waitFor();
  expect(page.url()).toContain(partPath(view));
}

function partPath(view: string): string {
  const { owner, dseq, gseq, oseq, provider } = stage.fake.ready.lease;
  return `/lease/${owner}/${dseq}/${gseq}/${oseq}/${provider}/${view}`;
}

const tab = (name: string) => page.getByRole("tab", { name });
const panel = () => page.getByRole("tabpanel");

describe("the list of leases", () => {
  test("after the sign-in, an account's leases are listed, and one is opened without typing", async () => {
    await open("/sign-in");
    await signIn();
    const { dseq, provider } = stage.fake.ready.lease;
    const row = page.getByRole("listitem").filter({ hasText: `${dseq}/1/1` });
    await row.waitFor();
    expect(await row.innerText()).toContain(provider);
    expect(await row.innerText()).toContain("0.75 uakt a block");
    expect(await page.locator("main").innerText()).toContain("One chain node names these leases");

    await row.getByRole("link", { name: `${dseq}/1/1` }).click();
    await page.getByRole("heading", { name: `Lease ${dseq}/1/1` }).waitFor();
    await panel().getByRole("heading", { name: "web" }).waitFor();
    expect(page.url()).toContain(partPath("services"));
    expect(page.url()).not.toContain(stage.fake.ready.jwt);
  });

  test("the leases of any account are listed, by state, and the chain's silence is told", async () => {
    await stage.fake.setLease({ dseq: 4000, count: 2, state: "closed" });
    await open("/leases");
    await page.getByText("Sign in to see the leases of your account").waitFor();
    await page.getByLabel("Account").fill(stage.fake.ready.lease.owner);
    await page.getByRole("button", { name: "List" }).click();
    const rows = page.locator(".leases li");
    await until("one active lease", 10_000, async () => (await rows.count()) === 1);
    await page.getByLabel("State").selectOption("closed");
    await until("two closed leases", 10_000, async () => (await rows.count()) === 2);
    expect(await rows.first().innerText()).toContain("4001/1/1");
    expect(await rows.first().innerText()).toContain("closed");

    await page.getByLabel("Account").fill(stage.fake.ready.provider);
    await page.getByRole("button", { name: /List|Refresh/ }).click();
    await page.getByText("This account has no such leases").waitFor();

    await stage.fake.setFault("chain-down");
    await page.getByLabel("State").selectOption("reclaiming");
    const alert = page.getByRole("alert").filter({ hasText: "chainUnavailable" });
    await alert.waitFor();
    await stage.fake.clearFault("chain-down");
    await alert.getByRole("button", { name: "Try again" }).click();
    await page.getByText("This account has no such leases").waitFor();
  });

  test("a lease is opened by its numbers", async () => {
    const { owner, dseq, provider } = stage.fake.ready.lease;
    await open("/leases");
    await page.getByText("Open a lease by its numbers").click();
    await page.getByLabel("Owner").fill(owner);
    await page.getByLabel("Deployment").fill(`${dseq}`);
    await page.getByLabel("Provider").fill(provider);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("Sign in with the account that owns this lease").waitFor();
    expect(page.url()).toContain(partPath("services"));
  });
});

describe("a lease", () => {
  test("every part has an address of its own, which a reload keeps", async () => {
    await openPart("services");
    const names = await page.getByRole("tab").allInnerTexts();
    expect(names).toEqual(["Services", "Logs", "Events", "Shell", "Files", "Manifest"]);
    for (const name of names) {
      await tab(name).click();
      await panel().getByRole("heading", { name, exact: true }).waitFor();
      expect(page.url()).toContain(partPath(name.toLowerCase()));
    }
    await page.reload();
    expect(page.url()).toContain(partPath("manifest"));
    await page.getByRole("heading", { name: `Lease ${stage.fake.ready.lease.dseq}` }).waitFor();
    await page.goBack();
    expect(page.url()).toContain(partPath("files"));
  });

  test("the tabs are reached and opened by keyboard", async () => {
    await openPart("services");
    await tab("Services").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await panel().getByRole("heading", { name: "Events", exact: true }).waitFor();
    expect(await tab("Events").getAttribute("aria-selected")).toBe("true");
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await panel().getByRole("heading", { name: "Manifest", exact: true }).waitFor();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await panel().getByRole("heading", { name: "Services", exact: true }).waitFor();
  });

  test("nothing is wider than the narrowest phone", async () => {
    await openPart("services");
    await page.setViewportSize({ width: 320, height: 640 });
    for (const name of ["Services", "Events", "Shell", "Files", "Manifest"]) {
      await tab(name).click();
      await panel().getByRole("heading", { name, exact: true }).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide, name).toBeLessThanOrEqual(320);
    }
  });

  test("a lease that is closed while it is open says so, and leads to the others", async () => {
    await openPart("services");
    await page.getByText("active", { exact: true }).waitFor();
    await stage.fake.setLease({ state: "closed" });
    try {
      const alert = page.getByRole("alert").filter({ hasText: "This lease is closed" });
      // The bridge keeps an answer of the chain for some seconds.
      await until("the lease is asked for again", 20_000, async () => {
        await page.evaluate(() => dispatchEvent(new Event("focus")));
        return alert.isVisible();
      });
      await alert.getByRole("link", { name: "See your other leases" }).click();
      await page.getByRole("heading", { name: "Leases", exact: true }).waitFor();
    } finally {
      await stage.fake.setLease({ state: "active" });
    }
  });
});

describe("services", () => {
  test("are shown with their replicas, and with addresses that open or copy", async () => {
    await openPart("services");
    const web = panel().locator(".service").filter({ hasText: "web.provider.localhost" });
    await web.getByText("3 of 3 ready").waitFor();
    const link = web.getByRole("link", { name: "web.provider.localhost" });
    expect(await link.getAttribute("href")).toBe("http://web.provider.localhost/");
    expect(await link.getAttribute("target")).toBe("_blank");
    expect(await link.getAttribute("rel")).toContain("noopener");

    const db = panel().locator(".service").filter({ hasText: "db.provider.localhost" });
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await db.getByRole("button", { name: "Copy provider.localhost:31234" }).click();
    await db.getByText("Copied").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
      "provider.localhost:31234",
    );
  });

  test("change as the provider's do", async () => {
    await openPart("services");
    const web = panel().locator(".service").filter({ hasText: "web.provider.localhost" });
    await web.getByText("3 of 3 ready").waitFor();
    await stage.fake.replace({ service: "web", replica: 0 }, { dip: "2s" });
    await web.getByText("2 of 3 ready").waitFor();
    await web.getByText("3 of 3 ready").waitFor();
  });

  test("are restarted after a question that names the service, and each replica's end is told", async () => {
    await openPart("services");
    const db = panel().locator(".service").filter({ hasText: "db.provider.localhost" });
    await db.getByRole("button", { name: "Restart db…" }).click();
    const dialog = page.getByRole("dialog", { name: "Restart db?" });
    await dialog.waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });

    await db.getByRole("button", { name: "Restart db…" }).click();
    await dialog.getByLabel("Which replicas").selectOption("replica 1");
    await dialog.getByRole("button", { name: "Restart", exact: true }).click();
    await dialog.getByText("replica 1: runs").waitFor();
    expect(await dialog.getByRole("listitem").count()).toBe(1);
    await dialog.getByRole("button", { name: "Close" }).click();

    await db.getByRole("button", { name: "Restart db…" }).click();
    await dialog.getByRole("button", { name: "Restart", exact: true }).click();
    await dialog.getByText("replica 0: runs").waitFor();
    await dialog.getByText("replica 1: runs").waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    await until("restarts counted", 10_000, async () =>
      /Restarts seen\s+[1-9]/.test(await db.innerText()),
    );
  });

  test("old ones are not shown as if they were new, once the bridge is gone", async () => {
    await using fresh = await stage.withNewBridge();
    await openPart("services", fresh);
    await panel().getByText("3 of 3 ready").waitFor();
    await fresh.bridge.kill();
    await panel()
      .getByText(/Reconnecting; this is how it was at/)
      .waitFor();
    await panel()
      .getByText(/^(Next try in \d+ s|Trying…)$/)
      .waitFor();
    const again = await stage.fake.startBridge("--listen", new URL(fresh.url).host);
    try {
      await panel().getByRole("button", { name: "Try now" }).click();
      await panel().getByText("live", { exact: true }).waitFor();
    } finally {
      await again.stop();
    }
    trouble = [];
  });

  test("what a token does not permit is told, with a way out", async () => {
    const leases = {
      access: "granular",
      permissions: [{ provider: stage.fake.ready.provider, access: "scoped", scope: ["logs"] }],
    };
    await openPart("services", stage, await stage.fake.token({ claims: { leases } }));
    const alert = panel().getByRole("alert").filter({ hasText: "scopeMissing" });
    await alert.waitFor();
    expect(await alert.innerText()).toContain('lacks the scope "status"');
    expect(await alert.getByRole("button", { name: "Try again" }).count()).toBe(1);
  });
});

test("events are a timeline that grows, by service and by kind", async () => {
  await openPart("events");
  const list = panel().getByRole("log");
  await list.getByText("Started").first().waitFor();
  const query = "service=db&reason=BackOff&note=Back-off+restarting+failed+container";
  await fetch(`${stage.fake.ready.control}/event?${query}`, { method: "POST" });
  const warning = list.getByRole("listitem").filter({ hasText: "Back-off restarting" });
  await warning.waitFor();
  expect(await warning.innerText()).toContain("Warning");
  expect(await list.getByRole("listitem").first().innerText()).toContain("BackOff");

  const all = await list.getByRole("listitem").count();
  await page.getByLabel("Warnings only").check();
  await until("only warnings", 5_000, async () => {
    const n = await list.getByRole("listitem").count();
    return n > 0 && n < all;
  });
  await page.getByLabel("Warnings only").uncheck();
  await page.getByLabel("Service").selectOption("web");
  await warning.waitFor({ state: "detached" });
});

describe("the manifest", () => {
  test("is read, is not sent while it is wrong, and says on which line it is", async () => {
    await openPart("manifest");
    const text = page.getByLabel("Manifest as JSON");
    await until("read", 10_000, async () => (await text.inputValue()).includes('"dcloud"'));
    await panel().getByText("as the provider has it").waitFor();

    const good = await text.inputValue();
    await text.fill(good.replace('"image": "docker.io/library/web:1"', '"image": ""'));
    await panel().getByText("The service web needs an image.").waitFor();
    expect(await panel().getByRole("button", { name: "Send…" }).isDisabled()).toBe(true);
    expect(await text.getAttribute("aria-invalid")).toBe("true");
    await panel()
      .getByRole("button", { name: /^Line \d+/ })
      .click();
    const selected = await text.evaluate((area: HTMLTextAreaElement) =>
      area.value.slice(area.selectionStart, area.selectionEnd).trim(),
    );
    expect(selected).toBe('"image": "",');

    await text.fill(`${good}]`);
    await panel()
      .getByText(/Not JSON: column 2 should have the end/)
      .waitFor();
    await panel().getByRole("button", { name: "Discard changes" }).click();
    expect(await text.inputValue()).toBe(good);
  });

  test("is sent after a question; what the provider refuses stands at its line", async () => {
    await openPart("manifest");
    const text = page.getByLabel("Manifest as JSON");
    await until("read", 10_000, async () => (await text.inputValue()).includes('"dcloud"'));
    const good = await text.inputValue();

    const groups = JSON.parse(good);
    groups[0].services[0].count = 9;
    await stage.fake.expectManifest(groups);
    await text.fill(JSON.stringify(groups, null, 2));
    await panel().getByText("changed, not sent").waitFor();
    await panel().getByRole("button", { name: "Send…" }).click();
    const dialog = page.getByRole("dialog", { name: "Send this manifest?" });
    expect(await dialog.innerText()).toContain(stage.fake.ready.provider);
    await dialog.getByRole("button", { name: "Send" }).click();
    const refused = panel().getByRole("alert").filter({ hasText: "The provider refused it" });
    await refused.waitFor();
    expect(await refused.innerText()).toContain("over-utilized replicas");
    await refused.getByRole("button", { name: /^Line \d+/ }).click();
    const selected = await text.evaluate((area: HTMLTextAreaElement) =>
      area.value.slice(area.selectionStart, area.selectionEnd).trim(),
    );
    expect(selected).toBe('"name": "web",');

    groups[0].services[0].count = 2;
    await stage.fake.expectManifest(groups);
    await text.fill(JSON.stringify(groups));
    await panel().getByRole("button", { name: "Format" }).click();
    expect((await text.inputValue()).split("\n").length).toBeGreaterThan(20);
    await panel().getByRole("button", { name: "Send…" }).click();
    await dialog.getByRole("button", { name: "Send" }).click();
    await panel()
      .getByText(/The provider accepted the manifest at/)
      .waitFor();
    await stage.fake.expectManifest(JSON.parse(good));
  });
});

describe("a manifest that has been changed and not sent", () => {
  test("is still there after another view, and leaving the page asks first", async () => {
    await openPart("manifest");
    const text = page.getByLabel("Manifest as JSON");
    await until("read", 10_000, async () => (await text.inputValue()).includes('"dcloud"'));
    const good = await text.inputValue();
    const draft = good.replace("docker.io/library/web:1", "docker.io/library/web:2");
    await text.fill(draft);
    await panel().getByText("changed, not sent").waitFor();

    await page.getByRole("link", { name: "Providers" }).click();
    await page.getByRole("searchbox").waitFor();
    await page.goBack();
    await panel().getByText("changed, not sent").waitFor();
    expect(await text.inputValue()).toBe(draft);

    const asked: string[] = [];
    page.on("dialog", (dialog) => {
      asked.push(dialog.type());
      void dialog.dismiss();
    });
    await page.evaluate(() => location.reload());
    await until("the browser has asked", 10_000, async () => asked.length > 0);
    expect(asked).toEqual(["beforeunload"]);
    expect(await text.inputValue()).toBe(draft);

    // It is nobody else's.
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.locator("main").getByRole("link", { name: "Sign in" }).click();
    await signIn(await stage.fake.token({ key: "stranger" }));
    await page.getByText("You are signed in as").waitFor();
    expect(await text.inputValue()).toBe("");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.locator("main").getByRole("link", { name: "Sign in" }).click();
    await signIn();
    await panel().getByText("changed, not sent").waitFor();
    expect(await text.inputValue()).toBe(draft);

    await panel().getByRole("button", { name: "Discard changes" }).click();
    await page.reload();
    expect(asked).toEqual(["beforeunload"]);
  });
});

describe("before a click it is said", () => {
  /** Opens the services of another provider's lease, and returns the button that restarts one. */
  async function openRestart(own: Stage) {
    const { owner, dseq, gseq, oseq, provider } = own.fake.ready.lease;
    await open(`/lease/${owner}/${dseq}/${gseq}/${oseq}/${provider}/services`, own);
    await page.locator("main").getByRole("link", { name: "Sign in" }).click();
    await signIn(own.fake.ready.jwt);
    return panel().getByRole("button", { name: "Restart web…" });
  }

  test("that a provider without AEP-37 cannot restart services", async () => {
    const own = await Stage.open({ fake: ["--lease-rpc", "none", "--provider-version", "0.14.1"] });
    try {
      const restart = await openRestart(own);
      await restart.waitFor();
      expect(await restart.isDisabled()).toBe(true);
      const why = await restart.getAttribute("aria-describedby");
      expect(await page.locator(`[id="${why}"]`).textContent()).toMatch(
        /This provider \(v0\.14\.1\) cannot restart services/,
      );
    } finally {
      await own.close();
    }
  });

  test("or, where only the provider knows, after the first one", async () => {
    const own = await Stage.open({ fake: ["--lease-rpc", "sdk-full"] });
    try {
      const restart = await openRestart(own);
      await restart.click();
      const dialog = page.getByRole("dialog", { name: "Restart web?" });
      await dialog.getByRole("button", { name: "Restart", exact: true }).click();
      await dialog.getByText("notImplemented").waitFor();
      await dialog.getByRole("button", { name: "Close" }).click();
      await until("it is disabled", 5_000, async () => restart.isDisabled());
    } finally {
      await own.close();
    }
  });
});

test("a shell runs in a terminal, keeps running beside other parts, and can be left", async () => {
  await openPart("shell");
  await panel().getByText("Starts a command in a container").waitFor();
  await until("a container is chosen", 10_000, async () =>
    panel().getByRole("button", { name: "Start" }).isEnabled(),
  );
  await panel().getByRole("button", { name: "Start" }).click();
  await panel().getByText("web/0 runs").waitFor();
  const rows = panel().locator(".xterm-rows");
  await rows.waitFor();
  await page.keyboard.type("echo $((6*7))-answer; printf '\\033[38;2;1;2;3mcolour\\033[0m\\n'\r");
  await rows.getByText("42-answer").first().waitFor();
  const colour = rows.locator("span", { hasText: /^colour$/ }).first();
  await colour.waitFor();
  expect(await colour.evaluate((span) => getComputedStyle(span).color)).toBe("rgb(1, 2, 3)");

  await tab("Services").click();
  await tab("Shell").click();
  await rows.getByText("42-answer").first().waitFor();
  await panel().locator(".xterm-helper-textarea").focus();
  await page.keyboard.press("Control+F6");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Stop");
  await panel().locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("exit 3\r");
  await panel().getByText("Ended with exit code 3").waitFor();
  await until("no process is left", 10_000, async () => (await stage.fake.processes()) === 0);
});

test("a shell is opened with a token for shells only, which cannot ask for the services", async () => {
  const { provider } = stage.fake.ready;
  const leases = {
    access: "granular",
    permissions: [{ provider, access: "scoped", scope: ["shell"] }],
  };
  await openPart("shell", stage, await stage.fake.token({ claims: { leases } }));
  await panel().getByRole("textbox", { name: "Service" }).fill("db");
  await panel().getByRole("textbox", { name: "Replica" }).fill("1");
  await panel().getByLabel("Command").fill("printf done-%s it");
  await panel().getByRole("button", { name: "Start" }).click();
  await panel().locator(".xterm-rows").getByText("done-it").first().waitFor();
  await panel().getByText("Ended with exit code 0").waitFor();
});

describe("files", () => {
  const content = "a file of the tenant\n".repeat(1000);

  /** Makes a file that takes a while to download, and returns its path. */
  async function makeLarge(): Promise<string> {
    const other = await stage.page("script");
    const { provider, lease } = stage.fake.ready;
    const options = { provider, lease, service: "web", auth: stage.fake.auth.jwt };
    const made = await other.evaluate(
      (options) => client.exec({ ...options, command: ["truncate", "-s", "600M", "large"] }),
      options,
    );
    expect(made.response?.exitCode).toBe(0);
    await other.close();
    return "large";
  }

  test("are uploaded and downloaded, and compared at both ends", async () => {
    await openPart("files");
    const path = panel().getByLabel("Path in the container");
    await panel()
      .getByLabel("File to upload")
      .setInputFiles({ name: "x.txt", mimeType: "text/plain", buffer: Buffer.from(content) });
    await path.fill("uploaded.txt");
    await panel().getByRole("button", { name: "Upload", exact: true }).click();
    const up = panel().getByRole("listitem").filter({ hasText: "Upload to uploaded.txt" });
    await up.getByText(/Done: 20.5 KiB; both ends have the same SHA-256/).waitFor();

    const arrived = page.waitForEvent("download");
    await panel().getByRole("button", { name: "Download", exact: true }).click();
    const download = await arrived;
    expect(download.suggestedFilename()).toBe("uploaded.txt");
    const stream = await download.createReadStream();
    const hash = createHash("sha256");
    for await (const chunk of stream) hash.update(chunk as Buffer);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
    const down = panel().getByRole("listitem").filter({ hasText: "Download of uploaded.txt" });
    await down.getByText(/Done: 20.5 KiB/).waitFor();
    await down.getByRole("button", { name: /Remove from the list/ }).click();
    await down.waitFor({ state: "detached" });
  });

  test("a directory comes as tar, what is not there is told, and a transfer is cancelled", async () => {
    await openPart("files");
    const path = panel().getByLabel("Path in the container");
    await path.fill("/nowhere/at/all");
    await panel().getByRole("button", { name: "Download", exact: true }).click();
    await panel().getByRole("alert").filter({ hasText: "/nowhere/at/all" }).waitFor();

    const arrived = page.waitForEvent("download");
    await path.fill(".");
    await panel().getByLabel("A directory, as a tar archive").check();
    await panel().getByRole("button", { name: "Download", exact: true }).click();
    expect((await arrived).suggestedFilename()).toMatch(/\.tar$/);
    await panel().getByLabel("A directory, as a tar archive").uncheck();

    await path.fill(await makeLarge());
    await panel().getByRole("button", { name: "Download", exact: true }).click();
    const large = panel().getByRole("listitem").filter({ hasText: "Download of large" });
    await large.getByText(/MiB of 600 MiB/).waitFor();
    await large.getByRole("button", { name: "Cancel: Download of large" }).click();
    await large.getByText("Cancelled").waitFor();
  });

  test("are written to the disk as they arrive, where the browser can do that", async () => {
    await openPart("files");
    await page.evaluate(() => {
      globalThis.wrote = [];
      Object.assign(window, {
        showSaveFilePicker: async () => ({
          createWritable: async () =>
            new WritableStream<Uint8Array>({ write: (chunk) => void wrote.push(chunk.length) }),
        }),
      });
    });
    await panel()
      .getByLabel("Path in the container")
      .fill(await makeLarge());
    await panel().getByRole("button", { name: "Download", exact: true }).click();
    await page.waitForFunction(() => wrote.length > 10);
    await panel()
      .getByRole("button", { name: /^Cancel: / })
      .click();
    await panel().getByText("Cancelled").waitFor();
  });
});
