import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A program that tests are run with. */
export type ProgramName = "akash-provider-bridge" | "testserver";

/** The environment variables that name the programs' files. */
const variables: Record<ProgramName, string> = {
  "akash-provider-bridge": "AKASH_BRIDGE_BINARY",
  testserver: "AKASH_TESTSERVER_BINARY",
};

/** Where `make build` puts programs, seen from here, in the sources and in the build. */
const built = fileURLToPath(new URL("../../../bin", import.meta.url));

/**
 * findProgram returns a program's file: in the directory given or else what its
 * environment variable names; or else what this project has built, or the PATH holds.
 */
export function findProgram(name: ProgramName, directory?: string): string {
  const variable = variables[name];
  const file = process.platform === "win32" ? `${name}.exe` : name;
  if (directory !== undefined) {
    const given = join(directory, file);
    if (isExecutable(given)) return given;
    throw new Error(`there is no program ${given}, where the option bin says that it is`);
  }
  const named = process.env[variable];
  if (named) {
    if (isExecutable(named)) return named;
    throw new Error(`there is no program ${named}, where ${variable} says that it is`);
  }
  const path = (process.env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  for (const directory of [built, ...path]) {
    const found = join(directory, file);
    if (isExecutable(found)) return found;
  }
  throw new Error(
    `cannot find ${name} for ${process.platform}-${process.arch}: \`make build\` in ` +
      `akash-provider-web's repository makes it in bin/; then set ${variable} to its file, ` +
      "or the option bin to that directory",
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
