// Writes a picture of every view of the dashboard, on a desktop and a phone, light and dark,
// into bin/screenshots. Also of what is empty, and of a log whose bridge is gone.
//
//   node web/screenshots.mjs

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launchOptions } from "../testserver/chromium.mjs";
import { bin } from "./stage.mjs";

const { chromium } = await import("../npm/node_modules/playwright-core/index.mjs");
const { startTestProvider } = await import("../npm/dist/testing/index.js");

const folder = join(bin, "screenshots");
mkdirSync(folder, { recursive: true });

const sizes = {
  desktop: { width: 1280, height: 900 },
  phone: { width: 390, height: 844 },
};

const akash = await startTestProvider({
  testserverArgs: ["--providers", "40", "--log-lines", "2000", "--log-rate", "5"],
});
const browser = await chromium.launch(launchOptions());
try {
  const { provider, lease, jwt } = akash.ready;
  const at = `/lease/${lease.owner}/${lease.dseq}/${lease.gseq}/${lease.oseq}/${provider}`;
  const tabs = ["services", "events", "logs", "manifest", "shell", "files"];
  const views = {
    providers: "/",
    provider: `/provider/${provider}`,
    session: "/sign-in",
    leases: "/leases",
    ...Object.fromEntries(tabs.map((tab) => [`lease-${tab}`, `${at}/${tab}`])),
    "sign-in": "/sign-in",
  };
  const link = new URLSearchParams({
    provider,
    owner: lease.owner,
    dseq: `${lease.dseq}`,
    token: jwt,
  });
  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await browser.newPage({ viewport, colorScheme });
      const take = async (name) => {
        // Pictures are for people: what still loads after two seconds may be seen loading.
        await page.waitForTimeout(2_000);
        const file = join(folder, `${name}-${size}-${colorScheme}.png`);
        await page.screenshot({ path: file, fullPage: true });
        console.log(file);
      };
      await page.goto(`${akash.bridgeUrl}/#${link}`);
      const signOut = page.getByRole("button", { name: "Sign out" });
      await signOut.waitFor();
      for (const [name, path] of Object.entries(views)) {
        if (name === "sign-in") await signOut.click();
        await page.evaluate((path) => (location.hash = path), path);
        await page.locator("main h1").first().waitFor();
        await take(name);
      }
      await page.goto(`${akash.bridgeUrl}/#/leases`);
      await page.getByLabel("Account").fill(provider);
      await page.keyboard.press("Enter");
      await take("leases-none");
      await page.goto(`${akash.bridgeUrl}/#/provider/${lease.owner}`);
      await take("provider-unknown");

      // A bridge of its own, which is killed.
      const bridge = await akash.startBridge();
      await page.goto(`${bridge.url}/#${link}`);
      await page.locator(".log-row").first().waitFor();
      if (size === "phone") await page.getByRole("button", { name: "More" }).click();
      await take("lease-logs-more");
      await page.getByRole("tab", { name: "Services" }).click();
      await page.locator(".service").first().waitFor();
      await bridge.kill();
      await take("lease-services-lost");
      await page.getByRole("tab", { name: "Logs" }).click();
      await take("lease-logs-lost");
      await page.close();
    }
  }
} finally {
  await browser.close();
  await akash.close();
}
