import { ProviderError } from "../errors.js";
import { yieldToPage } from "./yielding.js";

/** The source of an entry's module. */
export interface ModuleSource {
  /** url returns the module's default URL. */
  url(): URL;
  /** Fetches the module, if the platform's fetch cannot. */
  fetch?: (url: URL, init?: RequestInit) => Promise<Response>;
  /** The module's required hash (Subresource Integrity), if any. */
  integrity?: string | undefined;
}

/** The progress of loading the module. */
export interface LoadProgress {
  /** Loaded bytes, after decompression. */
  loaded: number;
  /**
   * The module's size in bytes, if known: a module of another version, from a
   * `wasmUrl`, may be longer or shorter. At the end it is the number of loaded
   * bytes.
   */
  total: number;
}

/** Receives the progress. */
export type OnProgress = (progress: LoadProgress) => void;

/**
 * The size of the module that the package was built with; set by build.mjs. A response
 * does not tell it: its Content-Length is the compressed size.
 */
declare const MODULE_SIZE: number | undefined;
const moduleSize = typeof MODULE_SIZE === "number" ? MODULE_SIZE : 0;

/** A loading or loaded module. */
export interface LoadingModule {
  /**
   * Resolved as soon as the module is certain to be there: its response has begun, says
   * that it is WebAssembly, and the page may compile that. Calls can be sent while the
   * rest loads.
   */
  found: Promise<unknown>;
  /** Resolved when the module is compiled. The same promise for all callers. */
  module: Promise<WebAssembly.Module>;
}

interface Loading extends LoadingModule {
  listeners: Set<OnProgress>;
  loaded: number;
}

/** Modules by URL. Compiling takes longer than everything after it. */
const modules = new Map<string, Loading>();

/**
 * loadModule fetches and compiles the module once per URL. Failures are not cached:
 * the next call tries again. For a caller that wants to know the progress, found is when
 * everything has loaded.
 */
export function loadModule(url: URL, source: ModuleSource, onProgress?: OnProgress): LoadingModule {
  let loading = modules.get(url.href);
  if (!loading) {
    loading = { listeners: new Set(), loaded: 0 } as unknown as Loading;
    if (onProgress) loading.listeners.add(onProgress);
    const started = loading;
    started.found = new Promise((resolve, reject) => {
      started.module = load(url, source, started, () => resolve(undefined));
      started.module.then(resolve, reject);
    });
    started.found.catch(() => modules.delete(url.href));
    started.module.catch(() => modules.delete(url.href));
    modules.set(url.href, started);
  } else if (onProgress) {
    loading.listeners.add(onProgress);
  }
  const { module } = loading;
  return onProgress ? { found: reported(loading, onProgress), module } : loading;
}

/** givenModule returns the module that a page loads itself. */
export function givenModule(
  module: WebAssembly.Module | Promise<WebAssembly.Module>,
): Promise<WebAssembly.Module> {
  if (module instanceof WebAssembly.Module) return Promise.resolve(module);
  if (!(module instanceof Promise)) {
    throw new TypeError("wasmModule must be a WebAssembly.Module, or a promise of one");
  }
  const checked = module.then(
    (module) => {
      if (module instanceof WebAssembly.Module) return module;
      throw unavailable("wasmModule is a promise of something else than a WebAssembly.Module");
    },
    (cause) => {
      throw unavailable(`the promise wasmModule was rejected: ${cause}`, cause);
    },
  );
  checked.catch(() => {}); // the error of calls
  return checked;
}

/** reported returns when a module has loaded and its caller has been told. */
async function reported(loading: Loading, onProgress: OnProgress): Promise<void> {
  await loading.module;
  loading.listeners.delete(onProgress);
  const size = loading.loaded || moduleSize;
  tell(onProgress, { loaded: size, total: size });
}

async function load(
  url: URL,
  source: ModuleSource,
  loading: Loading,
  found: () => void,
): Promise<WebAssembly.Module> {
  const response = await request(url, source);
  const type = response.headers.get("content-type") ?? "";
  try {
    if (/^application\/wasm\s*(;|$)/i.test(type) && WebAssembly.compileStreaming) {
      // A policy that forbids compiling would be known only at the end.
      new WebAssembly.Module(emptyModule);
      found();
      // Of a module that is there already, much is compiled at once: calls go first.
      await yieldToPage();
      return await WebAssembly.compileStreaming(counted(response, loading));
    }
    const bytes = new Uint8Array(await counted(response, loading).arrayBuffer());
    if (!isModule(bytes)) throw notModule(url, type);
    // Some servers do not know the MIME type of WebAssembly. Then the module
    // cannot be compiled while it is downloaded.
    console.warn(
      `akash-provider-web: ${url} is served as ${JSON.stringify(type)}. Have the server say Content-Type: application/wasm for .wasm files: the module is then compiled while it loads.`,
    );
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw failure(url, type, cause);
  }
}

/**
 * request returns the module's response, or throws an error that explains the problem.
 */
async function request(url: URL, { fetch, integrity }: ModuleSource): Promise<Response> {
  const get = fetch ?? globalThis.fetch;
  let response: Response;
  try {
    response = await get(url, integrity ? { integrity } : {});
  } catch (cause) {
    const { location } = globalThis;
    if (location && url.origin !== location.origin && (await isThere(url))) {
      throw unavailable(
        `cannot load ${url}: its server does not let pages of ${location.origin} read it, which takes the header Access-Control-Allow-Origin${integrity ? "; or it is not of the same version as the script" : ""}`,
        cause,
      );
    }
    if (url.protocol === "file:") {
      throw unavailable(
        `cannot load ${url}: fetch does not read files. In Node import "akash-provider-web", or its node.js in place of index.js; open a page over http, and not as a file`,
        cause,
      );
    }
    const hint = integrity ? "and of the same version as the script" : "where wasmUrl says";
    throw unavailable(`cannot load ${url}: is it ${hint}?`, cause);
  }
  if (!response.ok) {
    throw unavailable(
      `cannot load ${url}: the server answered HTTP ${response.status}. Put akash-provider-web.wasm there, or say with wasmUrl where it is`,
    );
  }
  return response;
}

/**
 * isThere reports whether a URL of another origin exists, although its content cannot be
 * read.
 */
async function isThere(url: URL): Promise<boolean> {
  try {
    await fetch(url, { mode: "no-cors", signal: AbortSignal.timeout(3_000) });
    return true;
  } catch {
    return false;
  }
}

/**
 * counted returns the response with its progress reported. Without listeners it
 * returns the response itself, whose compiled code browsers cache.
 */
function counted(response: Response, loading: Loading): Response {
  if (loading.listeners.size === 0 || !response.body) return response;
  const report = () => {
    const { loaded } = loading;
    const total = Math.max(moduleSize, loaded);
    for (const listener of [...loading.listeners]) tell(listener, { loaded, total });
  };
  report();
  const body = response.body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, out) {
        loading.loaded += chunk.length;
        report();
        out.enqueue(chunk);
      },
    }),
  );
  return new Response(body, { headers: response.headers });
}

/**
 * tell calls a listener. An exception is the page's error and does not affect loading.
 */
function tell(listener: OnProgress, progress: LoadProgress): void {
  try {
    listener(progress);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** A module without content. */
const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** isModule reports whether bytes begin like a WebAssembly module. */
function isModule(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

/** failure returns the error for a response that cannot be compiled. */
function failure(url: URL, type: string, cause: unknown): ProviderError {
  if (cause instanceof ProviderError) return cause;
  const { message = "" } = cause instanceof Error ? cause : {};
  if (/unsafe-eval|Content.Security.Policy|\bCSP\b/i.test(message)) {
    return unavailable(
      "cannot compile the module: the page's Content-Security-Policy must allow it, with 'wasm-unsafe-eval' in its script-src",
      cause,
    );
  }
  if (cause instanceof WebAssembly.CompileError) return notModule(url, type, cause);
  return unavailable(`cannot load ${url}: the connection broke`, cause);
}

/** notModule returns the error for a response that is not a WebAssembly module. */
function notModule(url: URL, type: string, cause?: unknown): ProviderError {
  const page = /^text\/html\b/i.test(type);
  return unavailable(
    `cannot compile ${url}: ${page ? "the server answered with a page, as many do for what they do not have" : "it is not the module"}. Put akash-provider-web.wasm there, or say with wasmUrl where it is`,
    cause,
  );
}

function unavailable(message: string, cause?: unknown): ProviderError {
  return new ProviderError({ code: "UNAVAILABLE", message, cause });
}
