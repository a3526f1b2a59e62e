import { ProviderError } from "./errors.js";

/** Modules by their URL: compiling takes longer than everything after it. */
const modules = new Map<string, Promise<WebAssembly.Module>>();

/**
 * loadModule fetches and compiles the module once for each URL. A failure is not
 * kept: the next call tries again.
 */
export function loadModule(url: URL): Promise<WebAssembly.Module> {
  let module = modules.get(url.href);
  if (module === undefined) {
    module = compile(url);
    modules.set(url.href, module);
    module.catch(() => modules.delete(url.href));
  }
  return module;
}

async function compile(url: URL): Promise<WebAssembly.Module> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw unavailable(`cannot load ${url}: is it where wasmUrl says?`, cause);
  }
  if (!response.ok) {
    throw unavailable(`cannot load ${url}: the server answered HTTP ${response.status}`);
  }
  try {
    const type = response.headers.get("content-type") ?? "";
    if (/^application\/wasm\s*(;|$)/i.test(type) && WebAssembly.compileStreaming) {
      return await WebAssembly.compileStreaming(response);
    }
    // Some servers do not know the MIME type of WebAssembly, without which the
    // module cannot be compiled while it arrives.
    console.warn(
      `akash-provider-web: ${url} is served as ${JSON.stringify(type)}; application/wasm would load faster`,
    );
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (cause) {
    throw unavailable(
      `cannot compile ${url}: is it the module, and does the page's Content-Security-Policy allow 'wasm-unsafe-eval'?`,
      cause,
    );
  }
}

function unavailable(message: string, cause?: unknown): ProviderError {
  return new ProviderError({ code: "UNAVAILABLE", message, cause });
}
