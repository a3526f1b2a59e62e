import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A program that tests need, by the name of the package that contains it. */
export type ProgramName = "akash-provider-bridge" | "akash-provider-testserver";

/** The environment variables with the programs' paths. */
const variables: Record<ProgramName, string> = {
  "akash-provider-bridge": "AKASH_BRIDGE_BINARY",
  "akash-provider-testserver": "AKASH_TESTSERVER_BINARY",
};

/**
 * The directory of `make build`'s programs, relative to this file both in the sources and
 * in the build.
 */
const built = fileURLToPath(new URL("../../../bin", import.meta.url));

/**
 * findProgram returns a program's path. With a directory, the program must be there.
 * Otherwise it looks, in this order, at the environment variable; in the program's package,
 * if that is installed beside this one or for the project; in this repository's build; and
 * in the PATH.
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
    throw new Error(`there is no ${name} in ${directory}, the directory of the option bin`);
  }
  const named = process.env[variable];
  if (named) {
    if (isExecutable(named)) return named;
    throw new Error(`there is no program ${named}, the value of ${variable}`);
  }
  const packed = await inPackage(name, project);
  if (packed) return packed;
  const path = (process.env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  for (const directory of [built, ...path]) {
    const found = inDirectory(name, directory);
    if (found) return found;
  }
  throw new Error(
    `cannot find ${name}: install the packages akash-provider-bridge and ` +
      "akash-provider-testserver. If you have built the programs, set the option bin to " +
      `their directory, or ${variable} to the path`,
  );
}

/** inPackage returns the path that the program's package has for this platform. */
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
  // `make build` uses a shorter name for the testserver.
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
