// Where the sources are, for the packages that say so. It is not written down here: it
// is what REPOSITORY names, or what the checkout or its CI knows.
import { spawnSync } from "node:child_process";

/**
 * The URL of a repository as npm wants it, git+https://HOST/PATH.git, without a user's
 * name or password; undefined for what is no repository of a server.
 */
export function gitUrl(text = "") {
  const [, host, path] =
    /^(?:git\+)?(?:https?|ssh|git):\/\/(?:[^@/]*@)?([^/:]+)(?::\d+)?\/(.+?)\/?$/.exec(text) ??
    /^(?:[^@/]+@)?([\w.-]+\.[\w-]+):(?!\/)(.+?)\/?$/.exec(text) ??
    [];
  return host && `git+https://${host}/${path.replace(/\.git$/, "")}.git`;
}

/** The field of a package.json for the URL; without one there is none. */
export function repositoryField(url, directory) {
  return url && { type: "git", url, ...(directory && { directory }) };
}

/** The URL of the repository that a CI or a checkout belongs to; undefined where there is none. */
export function findRepository(env, cwd) {
  if (env.REPOSITORY) return gitUrl(env.REPOSITORY);
  return ciRepository(env) ?? gitUrl(origin(cwd));
}

/** The URL of the repository that GitHub Actions or GitLab CI runs for. */
export function ciRepository(env) {
  if (env.GITHUB_REPOSITORY) {
    return gitUrl(`${env.GITHUB_SERVER_URL ?? "https://github.com"}/${env.GITHUB_REPOSITORY}`);
  }
  return gitUrl(env.CI_PROJECT_URL);
}

function origin(cwd) {
  const { stdout } = spawnSync("git", ["remote", "get-url", "origin"], { cwd, encoding: "utf8" });
  return (stdout ?? "").trim();
}
