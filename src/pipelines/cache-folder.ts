import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where this program keeps what it can find out again; undefined where the user has no such place. */
export function ownCacheFolder(env: Environment): string | undefined {
  const base = env["XDG_CACHE_HOME"] ?? (env["HOME"] ? join(env["HOME"], ".cache") : env["LOCALAPPDATA"]);
  return base && join(base, "inkling");
}
