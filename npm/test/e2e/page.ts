// Functions that run in a page, on the client in its variable client.

import type { Page } from "playwright-core";
import type { Client } from "../../src/index.js";

declare global {
  /** The client of a page that the harness opened. */
  var client: Client;
}

/** An error as it is passed from the page to the test. */
export interface Failure {
  name: string;
  code: string;
  reason?: string | undefined;
  message: string;
  provider?: string | undefined;
  attempts?: number | undefined;
}

/** A result of a call as it is passed from the page to the test. */
export interface Result {
  status: "success" | "error";
  response?: unknown;
  error?: Failure | undefined;
  attempts: number;
  method?: string;
  endpoint?: string;
  providerVersion?: string;
  trust?: string;
  /** How long the call took, in milliseconds. */
  took: number;
}

/** Calls getProviderStatus in the page. */
export function getProviderStatus(
  page: Page,
  address: string,
  options: object = {},
): Promise<Result> {
  return page.evaluate(
    async ([address, options]) => {
      const start = performance.now();
      const result = await client.getProviderStatus(address, options);
      const took = performance.now() - start;
      if (result.status === "success") return { ...result, took };
      const { name, code, reason, message, provider, attempts } = result.error;
      return { ...result, error: { name, code, reason, message, provider, attempts }, took };
    },
    [address, options] as const,
  );
}
