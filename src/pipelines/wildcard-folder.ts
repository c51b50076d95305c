import { readdir } from "node:fs/promises";
import { join, sep } from "node:path";
import { didYouMean } from "../hub/nearest.ts";
import { InputError } from "../tensor/index.ts";
import type { Wildcards } from "../text/index.ts";
import { readText, statOrUndefined } from "../weights/files.ts";

const EXTENSION = ".txt";
/** More than the longest lists that people share. */
const LIMIT = 1 << 25;

/** The wildcards of a folder: `__animals/cats__` is `animals/cats.txt`. It is looked at when first asked. */
export function wildcardFolder(folder: string): Wildcards {
  let listed: Promise<readonly string[]> | undefined;
  const list = async (): Promise<readonly string[]> => {
    if (!(await statOrUndefined(folder))?.isDirectory()) {
      throw new InputError(`There is no folder of wildcards at ${folder}: each __name__ is a file name.txt in it.`);
    }
    const files = await readdir(folder, { recursive: true });
    return files
      .filter((file) => file.endsWith(EXTENSION))
      .map((file) => file.slice(0, -EXTENSION.length).split(sep).join("/"))
      .sort();
  };
  const names = (): Promise<readonly string[]> => {
    listed ??= list();
    return listed;
  };
  return {
    names,
    async read(name) {
      const known = await names();
      if (known.includes(name)) return readText(join(folder, `${name}${EXTENSION}`), LIMIT);
      const hint = didYouMean(name, known, (near) => `__${near}__`);
      throw new InputError(`There is no wildcard __${name}__${hint}: ${folder} has no ${name}${EXTENSION}.`);
    },
  };
}
