// A user's program, which takes what the package has besides the client.
import { AkashClientProvider, useLogs, useProviderStatus } from "akash-provider-web/react";
import { startTestProvider } from "akash-provider-web/testing";

export const components = [AkashClientProvider];
export const hooks = [useLogs, useProviderStatus];

export async function address(): Promise<string> {
  const akash = await startTestProvider({ logLines: 1 });
  await akash.close();
  return akash.provider.trim();
}
