import { stat } from "node:fs/promises";
import { formatOfName } from "../image/encode.ts";
import { embedFiles, type IndexedPicture } from "../pipelines/picture-index.ts";
import { InputError } from "../tensor/index.ts";
import type { Cli } from "./cli.ts";
import { UsageError } from "./errors.ts";
import { checkWords } from "./judge.ts";
import { pictureFiles } from "./picture-files.ts";
import { type RankingOptions, tellRanking } from "./ranking.ts";

/** Sorts pictures by how well they agree with words, the last of `args`. */
export async function rank(args: readonly string[], options: RankingOptions, cli: Cli): Promise<void> {
  const words = checkWords(args.at(-1)!);
  if (args.length < 2) throw new UsageError('rank wants pictures, then words: inkling rank *.png "a red apple"');
  if (formatOfName(words) && (await isFile(words))) {
    throw new UsageError(`the words come last, and ${words} is a picture: inkling rank *.png "a red apple"`);
  }
  const paths = await pictureFiles(args.slice(0, -1));
  await tellRanking(options, cli, async (clip, watching, skipped) => {
    const [wanted] = await clip.embedTexts([words], watching);
    const pictures: IndexedPicture[] = [];
    for await (const batch of embedFiles(clip, paths, watching)) pictures.push(...batch);
    if (pictures.length === 0) throw new InputError(skipped[0]!.reason);
    return { asked: { text: words, clip: clip.model }, pictures, wanted: wanted! };
  });
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
