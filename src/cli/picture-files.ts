import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { formatOfName } from "../image/encode.ts";
import { InputError } from "../tensor/index.ts";

/**
 * The picture files that are meant. Where a shell left a pattern alone (Windows' do, and all in quotes), its * and ? are filled in
 * here.
 *
 * @throws InputError naming what is not there, before anything is loaded
 */
export async function pictureFiles(args: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of args) {
    const status = await stat(path).catch(() => undefined);
    if (status?.isDirectory()) {
      throw new InputError(
        `${path} is a folder: name its pictures, such as ${join(path, "*.png")}. To look for one in it: inkling search ${path} "…"`,
      );
    }
    if (status || !/[*?]/.test(basename(path))) {
      if (!status) throw new InputError(`The picture ${path} cannot be read: there is no such file.`);
      files.push(path);
      continue;
    }
    const found = await matching(path);
    if (found.length === 0) throw new InputError(`No picture matches ${path}.`);
    files.push(...found);
  }
  return [...new Set(files)];
}

async function matching(path: string): Promise<string[]> {
  const parts = basename(path).replace(/[\\^$.+()[\]{}|]/g, "\\$&");
  const pattern = new RegExp(`^${parts.replaceAll("*", ".*").replaceAll("?", ".")}$`);
  const names = await readdir(dirname(path)).catch(() => []);
  const fits = names.filter((name) => !name.startsWith(".") && pattern.test(name) && formatOfName(name)).sort();
  // As a shell writes them: without a "./" that was not there.
  return fits.map((name) => (dirname(path) === "." && !/[/\\]/.test(path) ? name : join(dirname(path), name)));
}
