// Creates strings from bytes in the JavaScript engine's own memory. A TextDecoder
// creates them in the browser's memory, which needs new pages for each string. Freeing
// many of these at once takes time, during which the page is blocked.
//
// The module is small enough to be assembled here. It uses the arrays of WebAssembly
// (https://webassembly.github.io/spec/core/) and the JS String Builtins
// (https://github.com/WebAssembly/js-string-builtins), which are available from Chrome
// 130, Firefox 134 and Safari 26.2.

/**
 * The size limit of a text in one place, in bytes. Each byte is at most one code unit.
 */
export const room = 16 * 1024;

/** The places for texts, so that one text of each kind can be in use. */
export const asciiPlace = 0;
export const utf8Place = room;

/** The functions of the module. */
export interface Strings {
  /** Its memory, where the bytes are written. */
  bytes: Uint8Array;
  /** Returns n bytes of ASCII at an address as a string. */
  ascii(at: number, n: number): string;
  /** Sets the address at which utf8 begins. */
  seek(at: number): void;
  /**
   * Returns the next n UTF-16 code units of UTF-8 text. They must begin and end
   * between characters.
   */
  utf8(n: number): string;
}

/** The module's exports. */
type Exports = Omit<Strings, "bytes"> & { memory: WebAssembly.Memory };

/**
 * makeStrings instantiates the module, or returns null if the platform does not support
 * it.
 */
export function makeStrings(): Strings | null {
  try {
    const Module = WebAssembly.Module as new (bytes: BufferSource, options: object) => object;
    const module = new Module(assemble(), { builtins: ["js-string"] });
    // Firefox requires an object, although nothing else is imported.
    const instance = new WebAssembly.Instance(module as WebAssembly.Module, {});
    const { memory, ...functions } = instance.exports as unknown as Exports;
    return { ...functions, bytes: new Uint8Array(memory.buffer) };
  } catch {
    return null; // the platform is too old, or the page's policy forbids it
  }
}

type Code = number[];

/** Types. */
const i32 = 0x7f;
const i16 = 0x77;
const units = 0; // array of code units
const ref = [0x64, units];
const refNull = [0x63, units];
const string = [0x64, 0x6f]; // (ref extern)
const fromCharCodeArray = 0;

/** Instructions. */
const block = [0x02, 0x40];
const loop = [0x03, 0x40];
const ifThen = [0x04, 0x40];
const otherwise = [0x05];
const end = [0x0b];
const branch = (depth: number) => [0x0c, depth];
const branchIf = (depth: number) => [0x0d, depth];
const call = (f: number) => [0x10, f];
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const globalGet = (global: number) => [0x23, global];
const globalSet = (global: number) => [0x24, global];
const load8 = (offset: number) => [0x2d, 0, offset];
const constant = (n: number) => [0x41, ...signed(n)];
const lessThan = [0x49];
const atLeast = [0x4f];
const add = [0x6a];
const and = [0x71];
const or = [0x72];
const shiftLeft = [0x74];
const shiftRight = [0x76];
const newArray = [0xfb, 0x07, units];
const arraySet = [0xfb, 0x0e, units];

/** Globals. */
const array = 0;
const position = 1;

/** The module. */
function assemble(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [
      [0x5e, i16, 0x01],
      [0x60, 3, ...refNull, i32, i32, 1, ...string],
      [0x60, 2, i32, i32, 1, ...string],
      [0x60, 1, i32, 1, ...string],
      [0x60, 1, i32, 0],
    ]),
    ...section(2, [[...name("wasm:js-string"), ...name("fromCharCodeArray"), 0x00, 1]]),
    ...section(3, [[2], [3], [4]]),
    ...section(5, [[0x00, 1]]), // a page of 64 KiB
    ...section(6, [
      [...ref, 0x00, ...constant(room), ...newArray, ...end],
      [i32, 0x01, ...constant(0), ...end],
    ]),
    ...section(7, [
      [...name("memory"), 0x02, 0],
      [...name("ascii"), 0x00, 1],
      [...name("utf8"), 0x00, 2],
      [...name("seek"), 0x00, 3],
    ]),
    ...section(10, [sized(ascii()), sized(utf8()), sized(seek())]),
  ]);
}

/** for (i = 0; i < n; i++) array[i] = memory[at + i] */
function ascii(): Code {
  const [at, n, i] = [0, 1, 2];
  return [
    ...[1, 1, i32],
    ...block,
    ...loop,
    ...[...get(i), ...get(n), ...atLeast, ...branchIf(1)],
    ...[...globalGet(array), ...get(i)],
    ...[...get(at), ...get(i), ...add, ...load8(0), ...arraySet],
    ...increase(i, 1),
    ...branch(0),
    ...end,
    ...end,
    ...[...globalGet(array), ...constant(0), ...get(n), ...call(fromCharCodeArray)],
    ...end,
  ];
}

/** The same for characters of one to four bytes. */
function utf8(): Code {
  const [n, i, at, c] = [0, 1, 2, 3];
  const put = [...globalGet(array), ...get(i)];
  /** Returns the shifted bits of a continuation byte. */
  const bits = (offset: number, shift: number) => [
    ...[...get(at), ...load8(offset), ...constant(0x3f), ...and],
    ...(shift > 0 ? [...constant(shift), ...shiftLeft] : []),
    ...or,
  ];
  const first = (mask: number, shift: number) => [
    ...[...get(c), ...constant(mask), ...and, ...constant(shift), ...shiftLeft],
  ];
  const below = (limit: number) => [...get(c), ...constant(limit), ...lessThan, ...ifThen];
  return [
    ...[1, 3, i32],
    ...[...globalGet(position), ...set(at)],
    ...block,
    ...loop,
    ...[...get(i), ...get(n), ...atLeast, ...branchIf(1)],
    ...[...get(at), ...load8(0), ...set(c)],
    ...below(0x80),
    ...[...put, ...get(c), ...arraySet, ...increase(at, 1)],
    ...otherwise,
    ...below(0xe0),
    ...[...put, ...first(0x1f, 6), ...bits(1, 0), ...arraySet, ...increase(at, 2)],
    ...otherwise,
    ...below(0xf0),
    ...[...put, ...first(0x0f, 12), ...bits(1, 6), ...bits(2, 0), ...arraySet],
    ...increase(at, 3),
    ...otherwise,
    // Two units. The first has the upper bits of the code point minus 2^16.
    ...[...first(0x07, 18), ...bits(1, 12), ...bits(2, 6), ...bits(3, 0), ...set(c)],
    ...[...put, ...get(c), ...constant(10), ...shiftRight, ...constant(0xd7c0), ...add],
    ...[...arraySet, ...increase(i, 1)],
    ...[...put, ...get(c), ...constant(0x3ff), ...and, ...constant(0xdc00), ...or, ...arraySet],
    ...increase(at, 4),
    ...[...end, ...end, ...end],
    ...increase(i, 1),
    ...branch(0),
    ...end,
    ...end,
    ...[...get(at), ...globalSet(position)],
    ...[...globalGet(array), ...constant(0), ...get(n), ...call(fromCharCodeArray)],
    ...end,
  ];
}

function seek(): Code {
  return [0, ...get(0), ...globalSet(position), ...end];
}

function increase(local: number, by: number): Code {
  return [...get(local), ...constant(by), ...add, ...set(local)];
}

/** A section with a counted list of entries. */
function section(id: number, entries: Code[]): Code {
  return [id, ...sized([entries.length, ...entries.flat()])];
}

function sized(code: Code): Code {
  return [...unsigned(code.length), ...code];
}

function name(text: string): Code {
  return sized([...new TextEncoder().encode(text)]);
}

/** LEB128 (https://webassembly.github.io/spec/core/binary/values.html#integers). */
function unsigned(n: number): Code {
  return n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...unsigned(n >>> 7)];
}

function signed(n: number): Code {
  return n >= -0x40 && n < 0x40 ? [n & 0x7f] : [(n & 0x7f) | 0x80, ...signed(n >> 7)];
}
