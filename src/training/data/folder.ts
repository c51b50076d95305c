import { readFile, stat } from "node:fs/promises";
import { extname, join, relative, resolve, sep } from "node:path";
import { filesIn, readPictureFile } from "../../image/index.ts";
import { InputError } from "../../tensor/index.ts";
import type { Dataset, Skipped } from "./dataset.ts";
import { captionFile, captionOf, type Description, describedIn, objectOf, pictureFile } from "./description.ts";
import { datasetOf, type Source } from "./sources.ts";

export interface FilesOptions {
  /** What is said of pictures of which nothing else is said. Without it they are skipped. */
  readonly caption?: string;
}

/** Where the pictures of a folder are described, as Hugging Face's imagefolder reads it. */
const METADATA = "metadata.jsonl";

/**
 * Pictures in a folder. Their captions stand in its metadata.jsonl, `{"file_name": "a.png", "text": "…"}` a line, as
 * diffusers' scripts read it, or in a text of the same name beside each, `a.txt` or `a.caption`, as kohya's do; a folder
 * in it that is called `10_sks cat` counts ten times, and its pictures without a text are called "sks cat".
 *
 * @throws InputError when the folder cannot be read, has no picture, or its metadata.jsonl cannot be read
 */
export async function openFolder(folder: string, { caption }: FilesOptions = {}): Promise<Dataset> {
  const listed = (await stat(join(folder, METADATA)).catch(() => undefined))?.isFile();
  const sources = listed ? await fromMetadata(folder, caption) : await fromTexts(folder, caption);
  if (sources.length === 0) throw new InputError(`There is no picture in ${folder}, nor in the folders in it.`);
  return datasetOf(folder, sources);
}

function sourceOf(folder: string, path: string, described: () => Promise<Description>): Source {
  const key = relative(folder, path).split(sep).join("/");
  return { key, name: path, bytes: () => readPictureFile(path), described };
}

async function fromMetadata(folder: string, caption: string | undefined): Promise<(Source | Skipped)[]> {
  const path = join(folder, METADATA);
  const text = await readFile(path, "utf8").catch((error: Error) => {
    throw new InputError(`${path} cannot be read: ${error.message}.`);
  });
  return text.split("\n").flatMap((line, i): (Source | Skipped)[] => {
    if (line.trim() === "") return [];
    const where = `${path}, line ${i + 1}`;
    try {
      const { file_name: name, ...rest } = objectOf(line, where);
      if (typeof name !== "string" || name === "") throw new InputError(`${where} has no "file_name".`);
      if (!resolve(folder, name).startsWith(resolve(folder) + sep)) {
        throw new InputError(`${where}: ${name} lies outside the folder.`);
      }
      const description = describedIn(rest, `${where}: ${name}`, caption);
      return [sourceOf(folder, join(folder, name), async () => description)];
    } catch (error) {
      if (error instanceof InputError) return [{ key: `${METADATA}:${i + 1}`, skipped: error.message }];
      throw error;
    }
  });
}

async function fromTexts(folder: string, caption: string | undefined): Promise<(Source | Skipped)[]> {
  const unread: Skipped[] = [];
  const onSkip = (path: string, reason: string): void => {
    unread.push({ key: relative(folder, path), skipped: reason });
  };
  const files = await filesIn(folder, (name) => pictureFile.test(name) || captionFile.test(name), onSkip);
  const texts = new Map(files.filter((path) => captionFile.test(path)).map((path) => [stemOf(path), path]));
  const sources = files.flatMap((path): Source[] => {
    if (!pictureFile.test(path)) return [];
    // kohya's folders: how often, and of what. Four digits are a year.
    const [, times = "1", what] = /^(\d{1,3})_([^/\\]*)[/\\]/.exec(relative(folder, path)) ?? [];
    const text = texts.get(stemOf(path));
    const described = async (): Promise<Description> =>
      describedIn({ text: text === undefined ? "" : await readText(text) }, path, what?.trim() || caption);
    return Array<Source>(Number(times)).fill(sourceOf(folder, path, described));
  });
  return [...sources, ...unread];
}

const stemOf = (path: string): string => path.slice(0, path.length - extname(path).length);

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: Error) => {
    throw new InputError(`The caption ${path} cannot be read: ${error.message}.`);
  });
  return captionOf(bytes, path);
}
