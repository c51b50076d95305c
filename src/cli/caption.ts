import { readPicture } from "../image/source.ts";
import type { Caption, Captioner, CaptionSettings } from "../pipelines/captions.ts";
import { InputError, randomSeed } from "../tensor/index.ts";
import { type Cli, write } from "./cli.ts";
import { asUsage, oneLine, remark } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { rounded } from "./judge.ts";
import type { JudgeOptions } from "./judge-options.ts";
import { machineOf } from "./machine.ts";
import { pictureFiles } from "./picture-files.ts";

/** What both commands that describe pictures can be asked for. */
export interface CaptionerChoice extends Omit<JudgeOptions, "json"> {
  readonly captioner?: string;
}

export interface CaptionOptions extends CaptionerChoice {
  readonly count?: number;
  readonly temperature?: number;
  readonly maxLength?: number;
  readonly seed?: number;
  readonly json?: boolean;
}

/**
 * Describes pictures, each as soon as it was looked at. Of several a damaged one is told and left out.
 *
 * @throws InputError where a file is missing, before anything is loaded, or where no picture is left
 */
export async function captionCommand(args: readonly string[], options: CaptionOptions, cli: Cli): Promise<void> {
  const paths = await pictureFiles(args);
  // One picture that is none needs no captioner to be told so.
  const only = paths.length === 1 ? await readPicture(paths[0]!) : undefined;
  const { count, temperature, maxLength, seed = randomSeed() } = options;
  const settings: CaptionSettings = { count, temperature, maxLength, seed, signal: cli.signal };
  const note = (line: string): void => remark(cli, line);
  let told = 0;
  await withCaptioner(options, cli, note, async (captioner) => {
    await asUsage(() => captioner.check(settings));
    for (const path of paths) {
      const picture = only ?? (await readPicture(path).catch((error: unknown) => leaveOut(error, note)));
      if (!picture) continue;
      const captions = await captioner.caption(picture, settings);
      cli.signal.throwIfAborted();
      if (captions.length < (count ?? 1)) {
        note(`${path}: ${captions.length} different captions, not ${count}: a higher temperature gives more variety.`);
      }
      await tell(path, captions, captioner, { options, several: paths.length > 1, seed }, cli);
      told++;
    }
  });
  if (told === 0) throw new InputError("None of these files is a picture that can be read.");
}

/** Opens the captioner that the options name, lets `work` ask it, and closes it. */
export async function withCaptioner<T>(
  { captioner: model, clip, ...options }: CaptionerChoice,
  { engine, env, signal }: Cli,
  onNote: (line: string) => void,
  work: (captioner: Captioner) => Promise<T>,
): Promise<T> {
  const machine = await machineOf(options);
  const captioner = await engine.openCaptioner({ ...machine, model, clip, env, signal, onNote });
  try {
    signal.throwIfAborted();
    return await work(captioner);
  } finally {
    await captioner.close();
  }
}

function leaveOut(error: unknown, note: (line: string) => void): undefined {
  if (!(error instanceof InputError)) throw error;
  note(`left out: ${error.message}`);
}

interface Telling {
  readonly options: CaptionOptions;
  /** Whether more than one picture is told of. */
  readonly several: boolean;
  readonly seed: number;
}

/** A line a caption, or one line of JSON a picture. */
async function tell(
  path: string,
  captions: readonly Caption[],
  { model, clip }: Captioner,
  { options: { json, count = 1, temperature = 0 }, several, seed }: Telling,
  { stdout }: Cli,
): Promise<void> {
  if (json) {
    const scored = captions.map(({ text, score }) => ({ text, score: rounded(score) }));
    const sampled = count > 1 || temperature > 0;
    return write(
      stdout,
      jsonLine({ picture: path, captioner: model, clip, ...(sampled && { seed }), captions: scored }),
    );
  }
  const lines = captions.map(({ text, score }) => {
    const judged = count > 1 ? `${score.toFixed(2).padStart(6)}  ${text}` : text;
    return `${several ? `${oneLine(path)}: ` : ""}${oneLine(judged)}\n`;
  });
  await write(stdout, lines.join(""));
}
