import { readdir, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where Hugging Face's libraries keep what they download; the variables that move it, as they read them. */
export function cacheFolder(env: Environment): string {
  const home = env["HOME"] || env["USERPROFILE"] || homedir();
  const set = env["HF_HUB_CACHE"] || env["HUGGINGFACE_HUB_CACHE"] || (env["HF_HOME"] && join(env["HF_HOME"], "hub"));
  if (set) return set.replace(/^~(?=$|[/\\])/, home);
  return join(env["XDG_CACHE_HOME"] || join(home, ".cache"), "huggingface", "hub");
}

/**
 * The folder of a repository's snapshot in the cache: `models--org--name/snapshots/<commit>`; the commit that
 * `refs/main` names, else the newest.
 *
 * @param repository "organisation/name"
 * @returns undefined where the cache has none
 */
export async function findSnapshot(repository: string, cache: string): Promise<string | undefined> {
  const root = join(cache, `models--${repository.replace("/", "--")}`);
  const snapshots = join(root, "snapshots");
  const main = await readFile(join(root, "refs", "main"), "utf8").catch(() => "");
  const commit = main.trim();
  if (/^\w+$/.test(commit) && (await folderTime(join(snapshots, commit)))) return join(snapshots, commit);
  const others = await readdir(snapshots).catch(() => []);
  const dated = await Promise.all(
    others.map(async (name) => ({ path: join(snapshots, name), time: await folderTime(join(snapshots, name)) })),
  );
  return dated.filter(({ time }) => time > 0).sort((a, b) => b.time - a.time)[0]?.path;
}

/** When a folder was last changed; 0 for anything else. */
async function folderTime(path: string): Promise<number> {
  const status = await stat(path).catch(() => undefined);
  return status?.isDirectory() ? status.mtimeMs : 0;
}
