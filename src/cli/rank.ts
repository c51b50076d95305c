import { stat } from "node:fs/promises";
import { formatOfName } from "../image/encode.ts";
import { embedFiles, type IndexedPicture, rankPictures } from "../pipelines/picture-index.ts";
import { InputError } from "../tensor/index.ts";
import { type Cli, write } from "./cli.ts";
import { createCounter } from "./counter.ts";
import { oneLine, UsageError } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { checkWords, rounded, withClip } from "./judge.ts";
import type { JudgeOptions } from "./judge-options.ts";
import { pictureFiles } from "./picture-files.ts";
import { table } from "./table.ts";

export interface RankOptions extends JudgeOptions {
  readonly top?: number;
}

/** Sorts pictures by how well they agree with words, the last of `args`. */
export async function rank(args: readonly string[], options: RankOptions, cli: Cli): Promise<void> {
  const words = checkWords(args.at(-1)!);
  if (args.length < 2) throw new UsageError('rank wants pictures, then words: inkling rank *.png "a red apple"');
  if (formatOfName(words) && (await isFile(words))) {
    throw new UsageError(`the words come last, and ${words} is a picture: inkling rank *.png "a red apple"`);
  }
  const paths = await pictureFiles(args.slice(0, -1));
  const counter = createCounter(cli, "looking at pictures");
  const skipped: Skipped[] = [];
  try {
    await withClip(
      options,
      cli,
      async (clip) => {
        const { signal } = cli;
        const [wanted] = await clip.embedTexts([words], { signal });
        const pictures: IndexedPicture[] = [];
        const watching = { signal, ...watch(counter, skipped) };
        for await (const batch of embedFiles(clip, paths, watching)) pictures.push(...batch);
        counter.end();
        if (pictures.length === 0) throw new InputError(skipped[0]!.reason);
        const ranked = rankPictures(pictures, wanted!).slice(0, options.top);
        await tell({ text: words, model: clip.model }, ranked, skipped, options, cli);
      },
      (line) => counter.note(line),
    );
  } finally {
    counter.end();
  }
}

export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

/** What goes on, told to `counter`; what is left out is also put into `skipped`. */
export function watch(counter: ReturnType<typeof createCounter>, skipped: Skipped[]) {
  return {
    onProgress: (p: { done: number; total: number; secondsLeft: number }) =>
      counter.update(p.done, p.total, p.secondsLeft),
    onSkip: (path: string, reason: string) => {
      skipped.push({ path, reason });
      counter.note(`left out: ${reason}`);
    },
  };
}

/** The pictures with their scores, best first: rows, or one line of JSON with what was `asked`. */
export async function tell(
  asked: Readonly<Record<string, unknown>>,
  ranked: readonly { readonly path: string; readonly cosine: number }[],
  skipped: readonly Skipped[],
  { json }: RankOptions,
  { stdout }: Cli,
): Promise<void> {
  const pictures = ranked.map(({ path, cosine }) => ({ path, score: rounded(100 * cosine) }));
  if (json) return write(stdout, jsonLine({ ...asked, pictures, skipped }));
  await write(stdout, table(pictures.map(({ path, score }) => [score.toFixed(2).padStart(6), oneLine(path)])));
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
