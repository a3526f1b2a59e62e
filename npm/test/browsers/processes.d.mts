/** The processes that a process has started, and those that they have. */
export function descendants(pid: number): Promise<number[]>;
