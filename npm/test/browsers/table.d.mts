/** What the tests of a file came to, and the start of the run. */
export interface Suite {
  passed: number;
  failed: number;
  skipped: number;
  /** An ISO 8601 time. */
  run: string;
}

/** The results of each browser, by its name in the environment variable BROWSER. */
export type Results = Record<string, { version: string; suites: Record<string, Suite> }>;

/** The file with the results so far. */
export const resultsFile: string;

/** The results so far. */
export function readResults(): Results;

/** How many tests of each area passed in each browser, as Markdown. */
export function table(results: Results): string;

/** Why something is left out, a sentence each. */
export function reasons(): string[];

/** What the README says of the results. */
export function section(results: Results): string;

/** Replaces the section in a document. */
export function withSection(document: string, text: string): string;
