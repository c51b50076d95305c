import { readFile, stat } from "node:fs/promises";
import { basename, relative, sep } from "node:path";
import { filesIn } from "../../image/index.ts";
import { InputError } from "../../tensor/index.ts";
import { type Dataset, isSkipped, type Places, type Skipped } from "./dataset.ts";
import { describedIn, objectOf, pictureFile } from "./description.ts";
import { generatorNames, isArchive } from "./open.ts";

/** A text to learn from. */
export interface Text {
  /** Its name among all, such as its file and line. */
  readonly key: string;
  readonly text: string;
}

/** Files that hold a text a line, as it is or in a JSON object. */
const TEXTS = /\.(txt|jsonl)$/i;

/**
 * The texts of a file or folder, or what is said of the pictures in it.
 *
 * @param pictures opens `source` where it is no file or folder of texts
 * @throws InputError when it cannot be read, or holds no text
 */
export async function textsOf(source: string, pictures: () => Promise<Dataset>): Promise<Places<Text>> {
  const status = generatorNames.includes(source) ? undefined : await stat(source).catch(() => undefined);
  if (status?.isFile() && !isArchive(source)) return openTexts(source);
  if (status?.isDirectory()) {
    const shown = await filesIn(
      source,
      (name) => pictureFile.test(name),
      () => {},
    );
    if (shown.length === 0) return openTexts(source);
  }
  return captionTexts(await pictures());
}

/**
 * Texts of a file, one a line, or of all such files in a folder and the folders in it. In a .jsonl a line is an object with a
 * "text", "caption" or "prompt".
 *
 * @throws InputError when it cannot be read, or holds no text
 */
async function openTexts(source: string): Promise<Places<Text>> {
  const unread: Skipped[] = [];
  const folder = (await stat(source).catch(() => undefined))?.isDirectory() ?? false;
  const paths = folder
    ? await filesIn(
        source,
        (file) => TEXTS.test(file),
        (path, skipped) => unread.push({ key: relative(source, path), skipped }),
      )
    : [source];
  const texts: (Text | Skipped)[] = unread;
  for (const path of paths) {
    const name = folder ? relative(source, path).split(sep).join("/") : basename(path);
    texts.push(...textsIn(await contentOf(path), path, name));
  }
  if (!texts.some((text) => !isSkipped(text))) throw new InputError(nothingIn(source, texts));
  return { name: source, length: texts.length, at: async (index) => texts[index]! };
}

async function contentOf(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: Error) => {
    throw new InputError(`${path} cannot be read: ${error.message}.`);
  });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${path} is not UTF-8. Save it as that.`);
  }
}

function nothingIn(source: string, texts: readonly (Text | Skipped)[]): string {
  const [first] = texts;
  return first && isSkipped(first) ? first.skipped : `There is no text in ${source}.`;
}

function textsIn(content: string, path: string, name: string): (Text | Skipped)[] {
  return content.split("\n").flatMap((line, i): (Text | Skipped)[] => {
    const text = line.trim();
    if (text === "") return [];
    const key = `${name}:${i + 1}`;
    if (!/\.jsonl$/i.test(path)) return [{ key, text }];
    const where = `${path}, line ${i + 1}`;
    try {
      const { captions } = describedIn(objectOf(text, where), where, undefined);
      return captions.map((each) => ({ key, text: each }));
    } catch (error) {
      if (error instanceof InputError) return [{ key, skipped: error.message }];
      throw error;
    }
  });
}

/** What is said of pictures. */
export function captionTexts(data: Dataset): Places<Text> {
  return {
    name: data.name,
    length: data.length,
    async at(index, visit) {
      const example = await data.at(index, visit);
      return isSkipped(example) ? example : { key: example.key, text: example.caption };
    },
  };
}
