// Addresses of accounts and providers.

/** Returns the beginning and the end of an address: akash1ab…wxyz. */
export const short = (address: string): string =>
  address.length > 16 ? `${address.slice(0, 8)}…${address.slice(-4)}` : address;

/** Whether a value looks like an address of Akash. */
export const isAddress = (value: unknown): value is string =>
  typeof value === "string" && /^akash1[02-9ac-hj-np-z]{38}$/.test(value);
