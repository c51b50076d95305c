import {
  findWords,
  heatMap,
  meanOf,
  overlaid,
  type Plane,
  type PromptWord,
  promptWords,
  wordPlane,
} from "../explain/index.ts";
import { encodePicture, formatOfName } from "../image/encode.ts";
import type { Picture } from "../image/picture.ts";
import { saveBytes } from "../image/save.ts";
import { contactSheet } from "../image/sheet.ts";
import type { StepEvent } from "../pipelines/events.ts";
import type { Cli, Drawer } from "./cli.ts";
import { draw } from "./draw.ts";
import { UsageError } from "./errors.ts";
import type { DrawingOptions } from "./options.ts";
import { checkFile } from "./output.ts";
import { printPath } from "./progress.ts";
import { createReporter } from "./reporter.ts";
import { wishOf } from "./settings.ts";

export interface ExplainOptions extends DrawingOptions {
  /** Which to show; all of the prompt where there is none. */
  readonly word?: readonly string[];
  readonly out?: string;
}

/** Draws one picture and lays it on a sheet, and beside it where the U-Net looked for each word on the way. */
export async function explain(words: readonly string[], options: ExplainOptions, cli: Cli): Promise<void> {
  const { out = "inkling-explain.png", overwrite, word: asked = [] } = options;
  const format = formatOfName(out);
  if (!format) throw new UsageError(`--out ${out} ends in no picture format: end it in .png, .jpg or .webp`);
  await checkFile(out, overwrite);
  const notes: string[] = [];
  const wish = await wishOf(words, options, cli, (line) => notes.push(line));
  const reporter = await createReporter({ quiet: options.quiet, count: 1 }, cli);
  for (const note of notes) reporter.note(note);

  let drawer: Drawer;
  let shown: readonly PromptWord[] = [];
  let picture: Picture;
  const calls: Plane[][] = [];
  await draw(
    {
      options,
      wish: { ...wish, settings: { ...wish.settings, count: 1, preview: false, inside: true } },
      reporter,
      onResolved: async ({ guidance }, opened) => {
        if (guidance === 0)
          throw new UsageError("--guidance 0 ignores the prompt: the model looks for none of its words");
        drawer = opened;
      },
      onSeen: (event) => {
        if (event.type === "tokens") {
          const all = promptWords(event.cond, drawer.parts.tokenizer);
          shown = asked.length > 0 ? asked.map((text) => findWords(text, all)) : all;
        }
        if (event.type === "step")
          calls.push(shown.map((word) => planeOf(word, event)).filter((plane) => plane !== undefined));
      },
      onImage: async ({ image }) => {
        picture = image;
      },
    },
    cli,
  );
  const looked = calls.filter((planes) => planes.length > 0);
  const cells = shown.map(({ text }, i) => ({
    picture: overlaid(picture, meanOf(looked.map((planes) => planes[i]!))),
    caption: text,
  }));
  const { prompt } = wish.settings;
  const sheet = await contactSheet([{ picture: picture!, caption: prompt }, ...cells]);
  await saveBytes(out, await encodePicture(sheet, format), { overwrite });
  printPath(out, cli);
}

/** Where all layers looked for a word in one call; undefined where nothing is known of that. */
function planeOf({ tokens }: PromptWord, { inside, latents }: StepEvent): Plane | undefined {
  const maps = Object.values(inside?.attention ?? {});
  const [, , height, width] = latents.shape as [number, number, number, number];
  return maps.length > 0
    ? heatMap(
        maps.map((map) => wordPlane(map, tokens)),
        { width, height },
      )
    : undefined;
}
