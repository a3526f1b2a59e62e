// Checks of single values. Each throws a TypeError that names the value.
import type { Transport } from "./transport/transport.js";

/** Browsers' timers are limited to 32 bits. */
export const maxTimeout = 2 ** 31 - 1;

/** readUint64 returns an integer below 2^64 in decimal digits. */
export function readUint64(name: string, value: unknown): string {
  let whole: bigint | undefined;
  if (typeof value === "bigint") whole = value;
  else if (typeof value === "number" && Number.isSafeInteger(value)) whole = BigInt(value);
  else if (typeof value === "string" && /^\d{1,20}$/.test(value)) whole = BigInt(value);
  if (whole === undefined || whole < 0n || whole >= 1n << 64n) {
    throw new TypeError(
      `${name} must be a whole number from 0 to 2^64-1, as a bigint, a string of digits or a number up to 2^53-1, not ${show(value)}`,
    );
  }
  return whole.toString();
}

/** readCount returns an integer from 0 to max, or undefined if it is absent. */
export function readCount(name: string, value: unknown, max = 2 ** 32 - 1): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max) {
    throw new TypeError(`${name} must be a whole number from 0 to ${max}, not ${show(value)}`);
  }
  return value;
}

export function readTimeout(value: unknown): number | undefined {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return value;
  if (typeof value !== "number" || !(value > 0 && value <= maxTimeout)) {
    throw new TypeError(
      `timeoutMs must be a number of milliseconds above 0 and up to ${maxTimeout}, or Infinity, not ${show(value)}`,
    );
  }
  return Math.ceil(value);
}

export function readHeartbeat(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (value === false || value === 0) return 0;
  if (typeof value !== "number" || !(value >= 1000 && value <= 3_600_000)) {
    throw new TypeError(
      `heartbeatMs must be a number of milliseconds from 1000 to 3600000, or false, not ${show(value)}`,
    );
  }
  return Math.ceil(value);
}

export function readTransport(value: unknown): Transport | undefined {
  if (value === undefined || value === "auto" || value === "fetch" || value === "websocket") {
    return value;
  }
  throw new TypeError(`transport must be "auto", "fetch" or "websocket", not ${show(value)}`);
}

export function requireObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${name} must be an object, not ${kind(value)}`);
  }
}

/**
 * requireText requires a string. Its error never contains the value, which may be a
 * secret.
 */
export function requireText(name: string, value: unknown): asserts value is string {
  if (typeof value !== "string" || value === "") {
    throw new TypeError(
      `${name} must be a string, not ${value === "" ? "an empty one" : kind(value)}`,
    );
  }
}

export function requireFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") {
    throw new TypeError(`${name} must be true or false, not ${kind(value)}`);
  }
}

export function requireFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw new TypeError(`${name} must be a function, not ${kind(value)}`);
  }
}

export function requireSignal(value: unknown): void {
  if (value === undefined) return;
  requireObject("signal", value);
  // Not instanceof, because a signal may come from another frame.
  const { aborted, addEventListener } = value as Partial<AbortSignal>;
  if (typeof aborted !== "boolean" || typeof addEventListener !== "function") {
    throw new TypeError("signal must be an AbortSignal");
  }
}

export function kind(value: unknown): string {
  return value === null ? "null" : typeof value;
}

function show(value: unknown): string {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "string"
    ? JSON.stringify(typeof value === "bigint" ? value.toString() : value)
    : kind(value);
}
