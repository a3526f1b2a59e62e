import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { launch, root } from "./harness.js";

// The part of "make run" after the build.
test("the demo prints the address of its dashboard, where its wallet signs in; Ctrl-C ends it", async () => {
  const demo = spawn(process.execPath, [join(root, "web/demo.mjs"), "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  demo.stderr.resume();
  const ended = once(demo, "exit");
  const browser = await launch();
  try {
    let dashboard = "";
    let provider = "";
    for await (const line of createInterface({ input: demo.stdout })) {
      dashboard = /^\s*Dashboard\s+(\S+)/.exec(line)?.[1] ?? dashboard;
      provider = /^\s*Provider\s+(\S+)/.exec(line)?.[1] ?? provider;
      expect(line).not.toContain("eyJ");
      if (line.includes("Ctrl-C")) break;
    }
    const { origin } = new URL(dashboard);
    expect((await fetch(`${origin}/healthz`)).status).toBe(200);

    // The address is short and has no secret: the demo's wallet signs in.
    expect(dashboard).toBe(`${origin}/#/sign-in`);
    const page = await browser.newPage();
    await page.goto(dashboard);
    await page.getByRole("button", { name: "Sign in with Demo wallet" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    await page.goto(`${origin}/#/provider/${provider}`);
    await page.locator(".card").first().waitFor();
    expect(await page.locator("#status").innerText()).toContain(provider);

    demo.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
    await expect(fetch(`${origin}/healthz`)).rejects.toThrow();
  } finally {
    await browser.close();
    demo.kill("SIGKILL");
  }
});
