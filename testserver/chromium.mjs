// How all harnesses start Debian's Chromium.

/** Where Chromium is; the environment variable CHROMIUM says otherwise. */
export const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Options for playwright-core to start it with, so that it talks to nobody but the test. */
export function launchOptions(...further) {
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    ...further,
  ];
  return { executablePath, args };
}
