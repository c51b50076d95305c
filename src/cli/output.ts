import { stat } from "node:fs/promises";
import { dirname, extname, sep } from "node:path";
import { formatOfName, formats, type PictureFormat } from "../image/encode.ts";
import { nameBeside, nameOfMany, nextName } from "../image/numbering.ts";
import { checkFolder, checkSave, makeFolder, saveBytes } from "../image/save.ts";
import { type Cli, write } from "./cli.ts";
import { UsageError } from "./errors.ts";

/** Where pictures go. */
export interface Destination {
  readonly format: PictureFormat;
  /** Refuses, before anything is drawn, what could not be saved. `bytes`: how long a picture may get. */
  check(bytes: number): Promise<void>;
  /** Saves picture `index` and returns its path; undefined when it went to stdout. */
  save(bytes: Uint8Array, index: number, seed: number): Promise<string | undefined>;
  /** Saves what belongs to all pictures beside them, under the name that `beside` asked for. */
  saveBeside(bytes: Uint8Array, seed: number): Promise<string>;
}

export interface OutputOptions {
  /** A file, a folder, or "-" for stdout. Default: the current folder. */
  readonly output?: string;
  readonly format?: PictureFormat;
  readonly overwrite?: boolean;
  readonly count: number;
  /** Another file is to lie beside the pictures, of a name that ends so: "sheet" → `cat-sheet.png`. */
  readonly beside?: string;
}

/**
 * What `--output` means: "-" is stdout; an existing folder, a name that ends in a slash, or one without an extension is a
 * folder (made where it is missing); anything else is a file, numbered where there are several pictures.
 *
 * @throws UsageError when name and format contradict each other, or several pictures should go to stdout
 */
export async function destinationOf(options: OutputOptions, cli: Pick<Cli, "stdout">): Promise<Destination> {
  const { output = ".", count, overwrite, beside } = options;
  if (output === "") throw new UsageError("--output is empty: name a file, a folder, or - for stdout");
  if (output === "-") return toStdout(options, cli);
  if (await isFolder(output, options.format)) return toFolder(output, options.format ?? "png", beside);
  const byName = formatOfName(output);
  const format = options.format ?? byName;
  if (!format) {
    const known = Object.values(formats).flatMap(({ extensions }) => extensions);
    throw new UsageError(
      `--output ${output} ends in no picture format (${known.join(", ")}); add --format, or a slash for a folder`,
    );
  }
  if (byName && byName !== format) {
    throw new UsageError(
      `--output ${output} is a ${byName} by its name, but --format says ${format}: drop one of them`,
    );
  }
  const paths = Array.from({ length: count }, (_, index) => nameOfMany(output, index, count));
  const other = nameBeside(output, beside ?? "");
  return {
    format,
    check: async (bytes) => {
      if (beside !== undefined) await checkSave(other, bytes, { overwrite });
      for (const path of paths) await checkSave(path, bytes, { overwrite });
      await checkFolderOf(paths[0]!, bytes * count);
    },
    save: async (bytes, index) => {
      await saveBytes(paths[index]!, bytes, { overwrite });
      return paths[index]!;
    },
    saveBeside: async (bytes) => {
      await saveBytes(other, bytes, { overwrite });
      return other;
    },
  };
}

function toStdout({ format = "png", count }: OutputOptions, { stdout }: Pick<Cli, "stdout">): Destination {
  if (count > 1) throw new UsageError("--output - has room for one picture, not for several: name a folder");
  if (stdout.isTTY) throw new UsageError("--output - would write a picture's bytes to the terminal: redirect it");
  return {
    format,
    check: async () => {},
    save: async (bytes) => {
      await write(stdout, bytes);
      return undefined;
    },
    saveBeside: () => Promise.reject(new Error("Nothing lies beside stdout.")),
  };
}

function toFolder(folder: string, format: PictureFormat, beside = ""): Destination {
  const extension = formats[format].extensions[0];
  const saveAs = async (bytes: Uint8Array, seed: number, end: string): Promise<string> => {
    for (let tries = 0; ; tries++) {
      const path = await nextName(folder, seed, end);
      try {
        await saveBytes(path, bytes);
        return path;
      } catch (error) {
        // Another process took that very name meanwhile: the next one is free.
        const taken = await stat(path).catch(() => undefined);
        if (!taken || tries >= 100) throw error;
      }
    }
  };
  return {
    format,
    check: async (bytes) => {
      await makeFolder(folder);
      await checkFolder(folder, bytes);
    },
    save: (bytes, _, seed) => saveAs(bytes, seed, extension),
    saveBeside: (bytes, seed) => saveAs(bytes, seed, `-${beside}${extension}`),
  };
}

async function isFolder(output: string, format: PictureFormat | undefined): Promise<boolean> {
  const stats = await stat(output).catch(() => undefined);
  if (stats) return stats.isDirectory();
  if (output.endsWith("/") || output.endsWith(sep)) return true;
  return extname(output) === "" && format === undefined;
}

async function checkFolderOf(path: string, bytes: number): Promise<void> {
  const stats = await stat(path).catch(() => undefined);
  if (!stats || stats.isFile()) await checkFolder(dirname(path), bytes);
}

/** The one file that a command writes: `--output`, refused early as for pictures. */
export async function checkFile(path: string, overwrite: boolean | undefined): Promise<void> {
  if (path === "-") throw new UsageError("--output - is not possible here: name a file");
  await checkSave(path, 0, { overwrite });
}
