/** Go's support code; see wasm-exec.mjs, which generates this module at build time. */
declare module "wasm-exec" {
  /** A Go program, which can run once. */
  export interface Go {
    /** Its environment variables. */
    env: Record<string, string>;
    exit: (code: number) => void;
    readonly importObject: WebAssembly.Imports;
    run(instance: WebAssembly.Instance): Promise<void>;
  }

  /** makeGo returns the class Go. Its programs use global as their globalThis. */
  export function makeGo(global: object): new () => Go;
}
