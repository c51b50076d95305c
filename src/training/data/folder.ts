import { readFile } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import { filesIn, readPictureFile } from "../../image/index.ts";
import { InputError } from "../../tensor/index.ts";
import type { Dataset, Skipped } from "./dataset.ts";
import { captionFile, captionOf, type Description, describedIn, pictureFile } from "./description.ts";
import { isMetadata, readMetadata } from "./metadata.ts";
import { datasetOf, type Source } from "./sources.ts";

export interface FilesOptions {
  /** What is said of pictures of which nothing else is said. Without it they are skipped. */
  readonly caption?: string;
}

/**
 * Pictures in a folder and the folders in it. Their captions stand in a metadata.jsonl, `{"file_name": "a.png", "text": "…"}`
 * a line, in a metadata.csv or metadata.parquet with these columns, as diffusers' scripts read them, or in a text of the same name
 * beside each, `a.txt` or `a.caption`, as kohya's do; a folder in it that is called `10_sks cat` counts ten times, and its pictures
 * without a text are called "sks cat".
 *
 * @throws InputError when the folder cannot be read, has no picture, or its metadata cannot be read
 */
export async function openFolder(folder: string, { caption }: FilesOptions = {}): Promise<Dataset> {
  const unread: Skipped[] = [];
  const wanted = (name: string): boolean =>
    isMetadata(name) || PARQUET.test(name) || pictureFile.test(name) || captionFile.test(name);
  const files = await filesIn(folder, wanted, (path, reason) => {
    unread.push({ key: relative(folder, path), skipped: reason });
  });
  const lists = files.filter(isMetadata);
  const kinds = [...new Set(lists.map((path) => basename(path)))];
  if (kinds.length > 1) throw new InputError(`In ${folder} are ${kinds.join(" and ")}: leave one of them there.`);
  const sources: (Source | Skipped)[] = [];
  for (const list of lists) sources.push(...(await fromMetadata(folder, list, caption)));
  if (lists.length === 0) sources.push(...fromTexts(folder, files, caption));
  if (sources.length === 0) {
    const table = files.find((path) => PARQUET.test(path));
    const rest = table
      ? ` ${table} may hold some: of Parquet only a metadata.parquet beside pictures is read, so save them as files.`
      : "";
    throw new InputError(`There is no picture in ${folder}, nor in the folders in it.${rest}`);
  }
  return datasetOf(folder, [...sources, ...unread]);
}

const PARQUET = /\.parquet$/i;

function sourceOf(folder: string, path: string, described: () => Promise<Description>): Source {
  return { key: keyOf(folder, path), name: path, bytes: () => readPictureFile(path), described };
}

const keyOf = (folder: string, path: string): string => relative(folder, path).split(sep).join("/");

async function fromMetadata(folder: string, list: string, caption: string | undefined): Promise<(Source | Skipped)[]> {
  const beside = dirname(list);
  const lines = await readMetadata(list);
  return lines.map(({ where, number, read }): Source | Skipped => {
    try {
      const { file_name: name, ...rest } = read();
      if (typeof name !== "string" || name === "") throw new InputError(`${where} has no "file_name".`);
      if (!resolve(beside, name).startsWith(resolve(beside) + sep)) {
        throw new InputError(`${where}: ${name} lies outside the folder.`);
      }
      const description = describedIn(rest, `${where}: ${name}`, caption);
      return sourceOf(folder, join(beside, name), async () => description);
    } catch (error) {
      if (error instanceof InputError) return { key: `${keyOf(folder, list)}:${number}`, skipped: error.message };
      throw error;
    }
  });
}

function fromTexts(folder: string, files: readonly string[], caption: string | undefined): Source[] {
  const texts = new Map(files.filter((path) => captionFile.test(path)).map((path) => [stemOf(path), path]));
  return files.flatMap((path): Source[] => {
    if (!pictureFile.test(path)) return [];
    // kohya's folders: how often, and of what. Four digits are a year.
    const [, times = "1", what] = /^(\d{1,3})_([^/\\]*)[/\\]/.exec(relative(folder, path)) ?? [];
    const text = texts.get(stemOf(path));
    const described = async (): Promise<Description> =>
      describedIn({ text: text === undefined ? "" : await readText(text) }, path, what?.trim() || caption);
    return Array<Source>(Number(times)).fill(sourceOf(folder, path, described));
  });
}

const stemOf = (path: string): string => path.slice(0, path.length - extname(path).length);

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: Error) => {
    throw new InputError(`The caption ${path} cannot be read: ${error.message}.`);
  });
  return captionOf(bytes, path);
}
