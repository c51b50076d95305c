import { didYouMean } from "../hub/nearest.ts";
import { encodePicture, loadEncoder, type PictureFormat } from "../image/encode.ts";
import { writeInfotext } from "../image/infotext.ts";
import { extraFields } from "../pipelines/infotext-extra.ts";
import { type CandidateFlags, candidatesOf, onlyWithCandidates } from "./candidate-options.ts";
import type { Cli } from "./cli.ts";
import { draw } from "./draw.ts";
import { dryRun } from "./dry-run.ts";
import { UsageError } from "./errors.ts";
import { type Keeping, keeper } from "./keep.ts";
import type { DrawingOptions } from "./options.ts";
import { destinationOf } from "./output.ts";
import { detectPreview, type PreviewKind, previewKinds } from "./preview.ts";
import type { Reporter } from "./progress.ts";
import { createReporter } from "./reporter.ts";
import { wishOf } from "./settings.ts";

export interface GenerateOptions extends DrawingOptions, CandidateFlags {
  readonly count?: number;
  readonly clip?: string;
  readonly format?: PictureFormat;
  readonly preview?: string | boolean;
  readonly json?: boolean;
  readonly dryRun?: boolean;
}

/** A PNG is at most a little longer than its pixels; the rest is room for the prompt. */
export const pictureBytes = (width: number, height: number): number => 3 * width * height + 2 ** 17;

/** Words that are found out on the way. */
export interface FoundWords {
  readonly prompt: string;
  /** What pictures tell of where the words are from. */
  readonly fields: Readonly<Record<string, string>>;
  /** For the JSON of a dry run. */
  readonly words: object;
}

/**
 * Draws what the words and options ask for and saves it. Refuses early what could not be saved in the end.
 *
 * @param findWords finds the prompt, in the place of `words`, once all else is known to be in order
 */
export async function generate(
  words: readonly string[],
  options: GenerateOptions,
  cli: Cli,
  findWords?: () => Promise<FoundWords>,
): Promise<void> {
  const { count = 1, clip, json, overwrite } = options;
  const { of, kept } = candidatesOf(options);
  if (clip !== undefined && of === 1) throw onlyWithCandidates("--clip");
  if (json && options.output === "-") throw new UsageError("--json and --output - both want stdout: drop one of them");
  const judging = of > 1 ? { bestOf: of, clip } : {};
  const preview = await previewOf(options, cli);
  const notes: string[] = [];
  const wish = await wishOf(words, options, cli, (line) => notes.push(line));
  const { output = wish.defaults.output, format } = options;
  const destination = await destinationOf({ output, format, overwrite, count: count * kept }, cli);
  const { width = 256, height = 256 } = wish.settings;
  if (!options.dryRun) await destination.check(pictureBytes(width, height));
  const found = await findWords?.();
  const asked = { ...wish.settings, ...(found && { prompt: found.prompt }), count, ...judging };
  if (options.dryRun) return dryRun({ ...wish, settings: asked }, options, notes, cli, found?.words);

  const reporter: Reporter = await createReporter({ ...options, count: count * of, preview }, cli);
  for (const note of notes) reporter.note(note);
  const settings = { ...asked, preview: preview !== undefined };
  const onNote = (line: string): void => reporter.note(line);
  const save: Keeping["save"] = async ({ image, settings, picture }, index, judged) => {
    const { vae, config } = options;
    const drawnWith = { vae, config, prediction: wish.prediction, picture, count: count * of, judged };
    const infotext = writeInfotext(settings, {
      ...wish.provenance,
      ...found?.fields,
      ...extraFields(settings, drawnWith),
    });
    const bytes = await encodePicture(image, destination.format, infotext, { onNote });
    cli.signal.throwIfAborted();
    const path = await destination.save(bytes, index, settings.seed);
    reporter.saved(picture, path);
    return path;
  };
  await draw(
    {
      options,
      wish: { ...wish, settings },
      reporter,
      // The model's own size may be larger than was thought above.
      onResolved: ({ width, height }) => destination.check(pictureBytes(width, height)),
      // While the first step is computed elsewhere; a failure shows when a picture is encoded.
      onEvent: (event) => void (event.type === "start" && loadEncoder().catch(() => {})),
      ...keeper({ of, kept, save, onNote }),
    },
    cli,
  );
}

/** How to show what grows: only on a terminal, and only where nothing else is asked to be there. */
export async function previewOf(
  { preview = "auto", json, quiet }: Pick<GenerateOptions, "preview" | "json" | "quiet">,
  cli: Cli,
): Promise<PreviewKind | undefined> {
  const wanted = preview === true ? "auto" : String(preview);
  const known = ["auto", ...previewKinds, "off"];
  if (!known.includes(wanted)) {
    const hint = didYouMean(wanted, known);
    throw new UsageError(
      `there is no preview "${wanted}"${hint}: ${known.join(", ")}. A prompt stands before --preview.`,
    );
  }
  if (json || quiet || wanted === "off" || !cli.stderr.isTTY) return undefined;
  return wanted === "auto" ? await detectPreview(cli.stderr, cli.env) : (wanted as PreviewKind);
}
