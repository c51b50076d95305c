import type { Clip, Embedding } from "../pipelines/clip.ts";
import { type IndexedPicture, type IndexOptions, rankPictures } from "../pipelines/picture-index.ts";
import { type Cli, write } from "./cli.ts";
import { createCounter } from "./counter.ts";
import { oneLine } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { rounded, withClip } from "./judge.ts";
import type { JudgeOptions } from "./judge-options.ts";
import { table } from "./table.ts";

export interface RankingOptions extends JudgeOptions {
  readonly top?: number;
  readonly quiet?: boolean;
}

/** What was looked at, and what it is compared with. */
export interface Looked {
  /** For the JSON: what was asked. */
  readonly asked: Readonly<Record<string, unknown>>;
  readonly pictures: readonly IndexedPicture[];
  readonly wanted: Embedding;
}

/** What of the pictures could not be read. */
export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

/**
 * Tells the pictures with their scores, the best first: rows, or one line of JSON.
 *
 * @param look embeds the pictures, handing `watching` on, which counts them and puts what is left out into `skipped`
 */
export async function tellRanking(
  options: RankingOptions,
  cli: Cli,
  look: (clip: Clip, watching: IndexOptions, skipped: readonly Skipped[]) => Promise<Looked>,
): Promise<void> {
  const { json, top, quiet } = options;
  const { signal, env, stdout } = cli;
  const counter = createCounter(cli, "looking at pictures", { quiet });
  const skipped: Skipped[] = [];
  const watching: IndexOptions = {
    signal,
    env,
    onProgress: ({ done, total, secondsLeft }) => counter.update(done, total, secondsLeft),
    onSkip: (path, reason) => {
      skipped.push({ path, reason });
      counter.note(`left out: ${reason}`);
    },
  };
  try {
    await withClip(
      options,
      cli,
      async (clip) => {
        const { asked, pictures, wanted } = await look(clip, watching, skipped);
        counter.end();
        const ranked = rankPictures(pictures, wanted).slice(0, top);
        const scored = ranked.map(({ path, cosine }) => ({ path, score: rounded(100 * cosine) }));
        if (json) return write(stdout, jsonLine({ ...asked, pictures: scored, skipped }));
        await write(stdout, table(scored.map(({ path, score }) => [score.toFixed(2).padStart(6), oneLine(path)])));
      },
      (line) => counter.note(line),
    );
  } finally {
    counter.end();
  }
}
