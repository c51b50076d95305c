import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { formatOfName } from "../image/encode.ts";
import { embedFiles, type IndexedPicture, rankPictures } from "../pipelines/picture-index.ts";
import { InputError } from "../tensor/index.ts";
import { type Cli, write } from "./cli.ts";
import { createCounter } from "./counter.ts";
import { oneLine, UsageError } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { checkWords, rounded, withClip } from "./judge.ts";
import type { JudgeOptions } from "./judge-options.ts";
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
  const paths = await filesOf(args.slice(0, -1));
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

/**
 * The files that are meant. Where a shell left a pattern alone (Windows' do, and all in quotes), its * and ? are filled in
 * here.
 *
 * @throws InputError naming what is not there, before anything is loaded
 */
async function filesOf(args: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of args) {
    const status = await stat(path).catch(() => undefined);
    if (status?.isDirectory()) {
      throw new InputError(`${path} is a folder. To look through folders: inkling search ${path} "…"`);
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

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
