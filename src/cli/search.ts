import { realpath } from "node:fs/promises";
import { readPicture } from "../image/index.ts";
import { indexPictures, rankPictures } from "../pipelines/picture-index.ts";
import { InputError } from "../tensor/index.ts";
import type { Cli } from "./cli.ts";
import { createCounter } from "./counter.ts";
import { UsageError } from "./errors.ts";
import { checkWords, withClip } from "./judge.ts";
import { type RankOptions, type Skipped, tell, watch } from "./rank.ts";

export interface SearchOptions extends RankOptions {
  readonly like?: string;
  readonly quiet?: boolean;
}

/** Finds the pictures of a folder that agree best with words, or that are most like another picture. */
export async function search(
  folder: string,
  words: readonly string[],
  options: SearchOptions,
  cli: Cli,
): Promise<void> {
  const { like, top = 10, quiet } = options;
  const text = words.length > 0 ? checkWords(words.join(" ")) : undefined;
  if (text !== undefined && like !== undefined) {
    throw new UsageError("search wants words or --like, and both were given: drop one of them");
  }
  if (text === undefined && like === undefined) {
    throw new UsageError(`search wants words, or a picture to look like: inkling search ${folder} "a red apple"`);
  }
  const example = like === undefined ? undefined : { path: like, picture: await readPicture(like) };
  const counter = createCounter(cli, "looking at pictures", { quiet });
  const skipped: Skipped[] = [];
  try {
    await withClip(
      options,
      cli,
      async (clip) => {
        const { signal, env } = cli;
        const [wanted] = example
          ? await clip.embedPictures([example.picture], { signal })
          : await clip.embedTexts([text!], { signal });
        const pictures = await indexPictures(clip, folder, { signal, env, ...watch(counter, skipped) });
        counter.end();
        if (pictures.length === 0) throw new InputError(`No picture in ${folder} can be read.`);
        const ranked = rankPictures(pictures, wanted!);
        const others = example ? await without(ranked, example.path) : ranked;
        const asked = { folder, ...(example ? { like } : { text }), model: clip.model, searched: pictures.length };
        await tell(asked, others.slice(0, top), skipped, options, cli);
      },
      (line) => counter.note(line),
    );
  } finally {
    counter.end();
  }
}

/** A picture is the most like itself: that is no find. */
async function without<T extends { readonly path: string }>(ranked: readonly T[], path: string): Promise<T[]> {
  const itself = await realpath(path);
  const paths = await Promise.all(ranked.map((picture) => realpath(picture.path).catch(() => undefined)));
  return ranked.filter((_, i) => paths[i] !== itself);
}
