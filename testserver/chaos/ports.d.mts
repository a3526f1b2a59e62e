/** Returns n free ports in a row, the first of them. */
export function freePorts(n?: number): Promise<number>;
