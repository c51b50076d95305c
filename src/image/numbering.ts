import { readdir } from "node:fs/promises";
import { join } from "node:path";

const PREFIX = "inkling-";

/**
 * The next free name in a folder: `inkling-00007-1234.png`, a running number (one more than the highest there) and the
 * seed, as A1111 names its pictures.
 */
export async function nextName(folder: string, seed: number, extension: string): Promise<string> {
  let highest = 0;
  for (const name of await readdir(folder)) {
    const number = /^inkling-(\d{5,9})-/.exec(name);
    if (number) highest = Math.max(highest, Number(number[1]));
  }
  return join(folder, `${PREFIX}${String(highest + 1).padStart(5, "0")}-${seed}${extension}`);
}

/** The name of picture `index` of `count`: `lady.png` alone, else `lady-1.png`, `lady-2.png` … */
export function nameOfMany(path: string, index: number, count: number): string {
  if (count === 1) return path;
  const dot = path.lastIndexOf(".");
  return `${path.slice(0, dot)}-${index + 1}${path.slice(dot)}`;
}

/** The name of what belongs to the pictures of a name: `lady-sheet.png`. */
export function nameBeside(path: string, what: string): string {
  const dot = path.lastIndexOf(".");
  return `${path.slice(0, dot)}-${what}${path.slice(dot)}`;
}
