// The programs that npm carries, and the platforms that it carries them for.

/** The scope of the packages that hold a program for one platform. */
export const scope = "@akash-provider-web";

/**
 * Each program by the name of its package, which is that of its command: the prefix of
 * its platforms' packages, its Go package, and what it does.
 */
export const programs = {
  "akash-provider-bridge": {
    prefix: "bridge",
    source: "./bridge",
    description: "The bridge between web pages and Akash providers",
  },
  "akash-provider-testserver": {
    prefix: "testserver",
    source: "./testserver",
    description: "A fake Akash provider and chain, for tests",
  },
};

/** What Go calls the platforms that Node names. */
export const platforms = {
  "darwin-arm64": { GOOS: "darwin", GOARCH: "arm64" },
  "darwin-x64": { GOOS: "darwin", GOARCH: "amd64" },
  "linux-arm64": { GOOS: "linux", GOARCH: "arm64" },
  "linux-x64": { GOOS: "linux", GOARCH: "amd64" },
  "win32-arm64": { GOOS: "windows", GOARCH: "arm64" },
  "win32-x64": { GOOS: "windows", GOARCH: "amd64" },
};
