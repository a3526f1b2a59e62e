// An account's address, short.

/** Returns the beginning and the end of an address: akash1ab…wxyz. */
export const short = (address: string): string =>
  address.length > 16 ? `${address.slice(0, 8)}…${address.slice(-4)}` : address;
