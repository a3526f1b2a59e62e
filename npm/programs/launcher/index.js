import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { name, version, optionalDependencies } = require("./package.json");

/**
 * Returns the program's file, which is in the package for this platform. Throws an
 * Error that says what to do where there is none.
 */
export function programPath() {
  const platform = `${process.platform}-${process.arch}`;
  const dependency = Object.keys(optionalDependencies).find((name) =>
    name.endsWith(`-${platform}`),
  );
  if (!dependency) {
    throw new Error(
      `${name} ${version} does not come for ${platform}. Build it: with Go 1.26, Node 20 and npm, ` +
        "`make build` in the sources of akash-provider-web puts it into bin/.",
    );
  }
  const file = process.platform === "win32" ? `${name}.exe` : name;
  try {
    return require.resolve(`${dependency}/bin/${file}`);
  } catch {
    throw new Error(
      `${name} ${version} is in the package ${dependency}, which is not installed. npm leaves it out ` +
        "with --omit=optional, and where node_modules comes from another platform: " +
        `\`npm install ${dependency}@${version}\` brings it.`,
    );
  }
}
