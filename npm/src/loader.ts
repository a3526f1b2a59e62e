import { ProviderError } from "./errors.js";

/** Where an entry of the package has its module from. */
export interface ModuleSource {
  /** url returns where the module is unless the page says otherwise. */
  url(): URL;
  /** Fetches the module, where the platform's fetch cannot. */
  fetch?: (url: URL, init?: RequestInit) => Promise<Response>;
  /** The hash that the module must have (Subresource Integrity), if any. */
  integrity?: string | undefined;
}

/** Modules by their URL: compiling takes longer than everything after it. */
const modules = new Map<string, Promise<WebAssembly.Module>>();

/**
 * loadModule fetches and compiles the module once for each URL. A failure is not
 * kept: the next call tries again.
 */
export function loadModule(url: URL, source: ModuleSource): Promise<WebAssembly.Module> {
  let module = modules.get(url.href);
  if (module === undefined) {
    module = compile(url, source);
    modules.set(url.href, module);
    module.catch(() => modules.delete(url.href));
  }
  return module;
}

async function compile(url: URL, { fetch, integrity }: ModuleSource): Promise<WebAssembly.Module> {
  let response: Response;
  try {
    response = await (fetch ?? globalThis.fetch)(url, integrity ? { integrity } : {});
  } catch (cause) {
    const hint = integrity ? "and of the same version as the script" : "where wasmUrl says";
    throw unavailable(`cannot load ${url}: is it ${hint}?`, cause);
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
