/**
 * A Uint8Array over memory of its own: `Uint8Array<ArrayBuffer>` from TypeScript 5.7 on,
 * and `Uint8Array` before, where the type has no parameter.
 */
export type Bytes = ReturnType<Uint8Array["slice"]>;
