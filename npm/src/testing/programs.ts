import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A program that tests are run with, by the name of the package that carries it. */
export type ProgramName = "akash-provider-bridge" | "akash-provider-testserver";

/** The environment variables that name the programs' files. */
const variables: Record<ProgramName, string> = {
  "akash-provider-bridge": "AKASH_BRIDGE_BINARY",
  "akash-provider-testserver": "AKASH_TESTSERVER_BINARY",
};

/** Where `make build` puts programs, seen from here, in the sources and in the build. */
const built = fileURLToPath(new URL("../../../bin", import.meta.url));

/**
 * findProgram returns a program's file: in the directory given, or else what its
 * environment variable names; or else from its package, if that is installed beside
 * this one or for the directory project; or what this repository has built, or the PATH
 * has.
 */
export async function findProgram(
  name: ProgramName,
  directory?: string,
  project: string = process.cwd(),
): Promise<string> {
  const variable = variables[name];
  if (directory !== undefined) {
    const given = inDirectory(name, directory);
    if (given) return given;
    throw new Error(`there is no ${name} in ${directory}, where the option bin says that it is`);
  }
  const named = process.env[variable];
  if (named) {
    if (isExecutable(named)) return named;
    throw new Error(`there is no program ${named}, where ${variable} says that it is`);
  }
  const packed = await inPackage(name, project);
  if (packed) return packed;
  const path = (process.env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  for (const directory of [built, ...path]) {
    const found = inDirectory(name, directory);
    if (found) return found;
  }
  throw new Error(
    `cannot find ${name}: the packages akash-provider-bridge and akash-provider-testserver bring ` +
      "the programs that tests run with. Where you have built them, let the option bin be " +
      `their directory, or ${variable} its file`,
  );
}

/** inPackage asks the program's package for its file for this platform. */
async function inPackage(name: ProgramName, project: string): Promise<string | undefined> {
  for (const from of [import.meta.url, pathToFileURL(join(project, "package.json"))]) {
    let entry: string;
    try {
      entry = createRequire(from).resolve(name);
    } catch {
      continue;
    }
    const { programPath }: { programPath(): string } = await import(pathToFileURL(entry).href);
    return programPath();
  }
  return undefined;
}

function inDirectory(name: ProgramName, directory: string): string | undefined {
  const suffix = process.platform === "win32" ? ".exe" : "";
  // `make build` gives the testserver a shorter name.
  const names = name === "akash-provider-testserver" ? [name, "testserver"] : [name];
  return names.map((file) => join(directory, file + suffix)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
