/**
 * Returns the program's file, which is in the package for this platform. Throws an
 * Error that says what to do where there is none.
 */
export declare function programPath(): string;
