// A page that shows a provider's status as soon as it can, on connect-web.

import { show } from "./cold-show.ts";

declare const cold: { bridgeUrl: string; provider: string };

await show(cold.bridgeUrl, cold.provider);
