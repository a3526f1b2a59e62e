// Writes a picture of every view of the dashboard, on a desktop and a phone, light and dark,
// into bin/screenshots.
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
      await page.goto(`${akash.bridgeUrl}/#${link}`);
      const signOut = page.getByRole("button", { name: "Sign out" });
      await signOut.waitFor();
      for (const [name, path] of Object.entries(views)) {
        if (name === "sign-in") await signOut.click();
        await page.evaluate((path) => (location.hash = path), path);
        await page.locator("main h1").first().waitFor();
        // Pictures are for people: what still loads after two seconds may be seen loading.
        await page.waitForTimeout(2_000);
        const file = join(folder, `${name}-${size}-${colorScheme}.png`);
        await page.screenshot({ path: file, fullPage: true });
        console.log(file);
      }
      await page.close();
    }
  }
} finally {
  await browser.close();
  await akash.close();
}
