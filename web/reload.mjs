// Reloads the pages that web/front.mjs serves, for "make dev".

const script = "/.dev/reload.js";
const events = "/.dev/events";

// The server is also down for a moment while it is restarted itself.
const source = `
let known;
new EventSource("${events}").onmessage = ({ data }) => {
  if (known && known !== data) location.reload();
  known = data;
};
`;

/**
 * Returns what reloads pages.
 *
 * @returns {import("./front.mjs").Addition & { reload(): void }}
 */
export function reloader() {
  const since = Date.now();
  let reloads = 0;
  const pages = new Set();
  return {
    script,
    files: {
      [script](_, response) {
        response.writeHead(200, { "content-type": "text/javascript", "cache-control": "no-store" });
        response.end(source);
      },
      [events](_, response) {
        response.writeHead(200, {
          "content-type": "text/event-stream",
          "cache-control": "no-store",
        });
        response.write(`retry: 500\ndata: ${since}-${reloads}\n\n`);
        pages.add(response);
        response.on("close", () => pages.delete(response));
      },
    },
    /** Reloads every page. */
    reload() {
      reloads++;
      for (const page of pages) page.write(`data: ${since}-${reloads}\n\n`);
    },
  };
}
