// The worker that searches. The page ends it if an answer takes too long.

import { type Request, search } from "./search.js";

self.onmessage = ({ data }: MessageEvent<Request>) => {
  self.postMessage(search(data));
};
