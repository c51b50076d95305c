import { realpath } from "node:fs/promises";
import { readPicture } from "../image/index.ts";
import { indexPictures } from "../pipelines/picture-index.ts";
import { InputError } from "../tensor/index.ts";
import type { Cli } from "./cli.ts";
import { UsageError } from "./errors.ts";
import { checkWords } from "./judge.ts";
import { type RankingOptions, tellRanking } from "./ranking.ts";

export interface SearchOptions extends RankingOptions {
  readonly like?: string;
}

/** Finds the pictures of a folder that agree best with words, or that are most like another picture. */
export async function search(
  folder: string,
  words: readonly string[],
  options: SearchOptions,
  cli: Cli,
): Promise<void> {
  const { like, top = 10 } = options;
  const text = words.length > 0 ? checkWords(words.join(" ")) : undefined;
  if (text !== undefined && like !== undefined) {
    throw new UsageError("search wants words or --like, and both were given: drop one of them");
  }
  if (text === undefined && like === undefined) {
    throw new UsageError(`search wants words, or a picture to look like: inkling search ${folder} "a red apple"`);
  }
  const example = like === undefined ? undefined : { path: like, picture: await readPicture(like) };
  await tellRanking({ ...options, top }, cli, async (clip, watching) => {
    const [wanted] = example
      ? await clip.embedPictures([example.picture], watching)
      : await clip.embedTexts([text!], watching);
    const pictures = await indexPictures(clip, folder, watching);
    if (pictures.length === 0) throw new InputError(`No picture in ${folder} can be read.`);
    const asked = { folder, ...(example ? { like } : { text }), clip: clip.model, searched: pictures.length };
    return { asked, pictures: example ? await without(pictures, example.path) : pictures, wanted: wanted! };
  });
}

/** A picture is the most like itself: that is no find. */
async function without<T extends { readonly path: string }>(pictures: readonly T[], path: string): Promise<T[]> {
  const itself = await realpath(path);
  const paths = await Promise.all(pictures.map((picture) => realpath(picture.path).catch(() => undefined)));
  return pictures.filter((_, i) => paths[i] !== itself);
}
