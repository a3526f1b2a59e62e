/** What is tested in every browser: the rows of the table, each with its test files. */
export const areas: Record<string, string[]>;

/** The test files that are not in the directory e2e, but here. */
export const own: string[];

/** The test files that run in Chromium alone, or in no browser, and why. */
export const leftOutFiles: { files: string[]; why: string }[];

/** A test that some browsers leave out. */
export interface LeftOut {
  /** The test's file. */
  file: string;
  /** The browsers, as in the environment variable BROWSER. */
  browsers: string[];
  why: string;
}

/** The tests that some browsers leave out, by the name with which the tests ask. */
export const leftOutTests: Record<
  "frozen" | "throttled" | "garbage" | "onePreflight" | "unreadFetch" | "heldBack",
  LeftOut
>;
