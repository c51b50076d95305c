import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../tensor/index.ts";
import { formatOfName } from "./encode.ts";

/** Told of a folder that may not be looked into, and why. */
type OnSkip = (path: string, reason: string) => void;

/**
 * The paths of every PNG, JPEG and WebP in a folder and the folders in it, hidden ones aside, sorted by name.
 *
 * @throws InputError when the folder cannot be read or holds no picture
 */
export async function picturesIn(folder: string, onSkip: OnSkip): Promise<string[]> {
  const paths = await filesIn(folder, (name) => formatOfName(name) !== undefined, onSkip);
  if (paths.length > 0) return paths;
  throw new InputError(`There is no picture in ${folder}: no PNG, JPEG or WebP, nor in the folders in it.`);
}

/**
 * The same of files whose name is `wanted`.
 *
 * @throws InputError when the folder cannot be read
 */
export async function filesIn(folder: string, wanted: (name: string) => boolean, onSkip: OnSkip): Promise<string[]> {
  const paths: string[] = [];
  const walk = async (inside: string): Promise<void> => {
    const entries = await readdir(inside, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (inside === folder) throw new InputError(`The folder ${folder} cannot be read: ${reasonOf(error)}.`);
      onSkip(inside, `The folder ${inside} cannot be read: ${reasonOf(error)}.`);
      return [];
    });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(inside, entry.name);
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory()) await walk(path);
      else if (wanted(entry.name) && (await isFile(path))) paths.push(path);
    }
  };
  await walk(folder);
  return paths;
}

/** Links to files count as files. */
async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  const known: Readonly<Record<string, string>> = {
    ENOENT: "there is no such folder",
    ENOTDIR: "it is a file",
    EACCES: "permission denied",
  };
  return known[code ?? ""] ?? message;
}
