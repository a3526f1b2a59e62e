// A wallet for "make run" and "make dev", and for tests of the dashboard: pages see Keplr's
// interface, and the testserver signs with the key of its tenant.

import { readFileSync } from "node:fs";

const script = "/.demo/wallet.js";
const sign = "/.demo/sign";

/** The wallet as a script of a page, which defines demoWallet. */
export const source = readFileSync(new URL("wallet-page.js", import.meta.url), "utf8");

/**
 * Returns what gives pages the wallet of a testserver's tenant.
 *
 * @param {() => any} fake returns the testserver's ready line
 * @returns {import("./front.mjs").Addition}
 */
export function wallet(fake) {
  return {
    script,
    files: {
      [script](_, response) {
        response.writeHead(200, { "content-type": "text/javascript", "cache-control": "no-store" });
        response.end(`${source}
globalThis.akashWallet = demoWallet({
  address: ${JSON.stringify(fake().lease.owner)},
  sign: async (text) => (await fetch("${sign}", { method: "POST", body: text })).text(),
});
`);
      },
      async [sign](request, response) {
        const answer = await fetch(`${fake().control}/sign`, {
          method: "POST",
          body: Buffer.concat(await request.toArray()),
        });
        response.writeHead(answer.status, { "content-type": "text/plain" });
        response.end(await answer.text());
      },
    },
  };
}
