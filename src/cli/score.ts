import { readPicture } from "../image/index.ts";
import { clipScore, textProbabilities } from "../pipelines/clip.ts";
import { type Cli, write } from "./cli.ts";
import { oneLine } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { checkWords, rounded, withClip } from "./judge.ts";
import type { JudgeOptions } from "./judge-options.ts";
import { table } from "./table.ts";

/** Tells how well a picture and each of the texts agree, and where there are several, which of them is meant. */
export async function score(path: string, texts: readonly string[], options: JudgeOptions, cli: Cli): Promise<void> {
  texts.forEach(checkWords);
  const picture = await readPicture(path);
  const { signal } = cli;
  const report = await withClip(options, cli, async (clip) => {
    const words = await clip.embedTexts(texts, { signal });
    const [seen] = await clip.embedPictures([picture], { signal });
    const probabilities = textProbabilities(seen!, words, clip);
    const scores = texts.map((text, i) => ({
      text,
      score: rounded(clipScore(seen!, words[i]!)),
      ...(texts.length > 1 && { probability: probabilities[i]! }),
    }));
    return { picture: path, clip: clip.model, scores };
  });
  if (options.json) return write(cli.stdout, jsonLine(report));
  const rows = report.scores.map(({ text, score, probability }) => [
    score.toFixed(2).padStart(6),
    ...(probability === undefined ? [] : [`${(100 * probability).toFixed(1)} %`.padStart(7)]),
    oneLine(text),
  ]);
  await write(cli.stdout, table(rows));
}
