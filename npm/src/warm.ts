// Has the bridge connect to providers that a page is about to call.

import { warmRequest } from "./engine/early.js";
import type { EngineCall } from "./engine/engine.js";
import { type SentRequest, sendRequest } from "./transport/request.js";
import { send } from "./transport/transport.js";

/** How many providers may be warmed at once. */
export const maxWarm = 100;

/** How many requests are open at a time: a browser allows six to a host over HTTP/1.1. */
const concurrency = 4;

/**
 * warm asks the bridge to connect to the providers of calls, and returns when it has, or
 * could not. The calls say how; nothing of them is sent to the providers. The returned
 * function ends it.
 */
export function warm(calls: EngineCall[]): { done: Promise<void>; stop(): void } {
  const waiting = [...calls];
  const open = new Set<SentRequest>();
  const work = async () => {
    for (let call = waiting.shift(); call; call = waiting.shift()) {
      const request = warmRequest(call);
      if (!request) continue;
      const sent = sendRequest(send, request);
      open.add(sent);
      await sent.reply;
      open.delete(sent);
    }
  };
  const workers = Array.from({ length: concurrency }, work);
  return {
    done: Promise.all(workers).then(() => {}),
    stop() {
      waiting.length = 0;
      for (const sent of open) sent.abort();
    },
  };
}
