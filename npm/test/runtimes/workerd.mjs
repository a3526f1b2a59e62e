// For Cloudflare's runtime, which has the WebAssembly module as an import. Each request
// tells in its body what to follow, and is answered with the lines.
import { createClient } from "akash-provider-web";
import wasmModule from "akash-provider-web/akash-provider-web.wasm";
import { follow } from "./follow.mjs";

// biome-ignore lint/style/noDefaultExport: what the runtime takes
export default {
  async fetch(request) {
    const what = await request.json();
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const encoder = new TextEncoder();
    const print = (line) => void writer.write(encoder.encode(`${line}\n`));
    const create = (options) => createClient({ ...options, wasmModule });
    follow(create, what, print).then(
      () => writer.close(),
      (error) => {
        print(`${error.stack ?? error}`);
        writer.close();
      },
    );
    return new Response(readable);
  },
};
