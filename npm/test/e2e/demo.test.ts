import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { launch, root } from "./harness.js";

// The part of "make run" after the build.
test("the demo prints the address of its dashboard, which shows the fake provider; Ctrl-C ends it", async () => {
  const demo = spawn(process.execPath, [join(root, "web/demo.mjs"), "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  demo.stderr.resume();
  const ended = once(demo, "exit");
  const browser = await launch();
  try {
    let dashboard = "";
    for await (const line of createInterface({ input: demo.stdout })) {
      dashboard = /^\s*Dashboard\s+(\S+)/.exec(line)?.[1] ?? dashboard;
      if (line.includes("Ctrl-C")) break;
    }
    const { origin, hash } = new URL(dashboard);
    expect((await fetch(`${origin}/healthz`)).status).toBe(200);

    const page = await browser.newPage();
    await page.goto(dashboard);
    await page.getByRole("button", { name: "Start" }).click();
    await page.locator("#viewer .row").first().waitFor();
    await page.getByRole("link", { name: "akash1" }).click();
    await page.locator(".card").first().waitFor();
    expect(await page.locator("#status").innerText()).toContain(
      new URLSearchParams(hash.slice(1)).get("provider"),
    );

    demo.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
    await expect(fetch(`${origin}/healthz`)).rejects.toThrow();
  } finally {
    await browser.close();
    demo.kill("SIGKILL");
  }
});
