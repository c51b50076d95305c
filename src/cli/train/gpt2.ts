import { resolveModel } from "../../hub/index.ts";
import { saveBytes } from "../../image/index.ts";
import { gpt2Config } from "../../models/index.ts";
import {
  captionTexts,
  type Gpt2Parts,
  gpt2Lesson,
  gpt2Model,
  gpt2Recipe,
  packedRows,
  type TokenRow,
  textRows,
  textsOf,
} from "../../training/index.ts";
import { openModelPart, readTokenizer } from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
import { openPictures } from "./data.ts";
import { tokenizerFolder } from "./model.ts";
import type { Wanted } from "./recipe.ts";
import { samplePath } from "./samples.ts";
import { type Subject, type TrainOptions, teach } from "./teach.ts";

export interface Gpt2Options extends TrainOptions {
  readonly tokens?: number;
  readonly packed?: boolean;
  readonly samplesEvery?: number;
}

type Kind = typeof gpt2Recipe;

/** Tokens of a row where nobody says how many. */
const TOKENS = 128;
/** Pixels of drawings of which nothing but the caption is wanted. */
const DRAWN = 32;
/** Texts that a sample has. */
const SAMPLES = 8;

const subject: Subject<Kind, TokenRow> = {
  kind: gpt2Recipe,
  things: "rows",
  async prepare(wanted, cli) {
    const { recipe } = wanted;
    const model = gpt2Model(await partsOf(wanted, cli.env));
    const { data: source, tokens = Math.min(TOKENS, model.config.n_positions), packed, seed } = recipe;
    const pictures = () => openPictures({ data: source }, DRAWN, cli.signal);
    const texts = typeof source === "string" ? await textsOf(source, pictures) : captionTexts(await pictures());
    const data = packed
      ? await packedRows(texts, model.words, tokens, cli.signal)
      : textRows(texts, model.words, tokens);
    return {
      data,
      lesson: () => gpt2Lesson(model, { tokens, seed }),
      samples: {
        every: recipe.samplesEvery,
        open:
          async ({ machine }) =>
          async (step, folder) => {
            const writer = await cli.engine.openWriter({ ...machine, model: folder, signal: cli.signal });
            try {
              const written = await writer.write({ count: SAMPLES, seed, signal: cli.signal });
              const path = await samplePath(folder, step, "txt");
              const lines = written.map(({ text }) => `${text}\n`).join("");
              await saveBytes(path, new TextEncoder().encode(lines), { overwrite: true });
              return [path];
            } finally {
              await writer.close();
            }
          },
      },
    };
  },
};

export const trainGpt2 = (options: Gpt2Options, cli: Cli): Promise<void> => teach(subject, options, cli);

/** A GPT-2 that is there, or a described one without weights. */
async function partsOf({ recipe, file }: Wanted<Kind>, env: Cli["env"]): Promise<Gpt2Parts> {
  if (recipe.model) {
    const { gpt2: config, tokenizer } = recipe.model;
    const { vocab_size: vocabSize } = gpt2Config(config, file);
    const folder = await tokenizerFolder(tokenizer, env, "gpt2");
    return { gpt2: { config, configFile: file }, tokenizer: await readTokenizer(folder, { vocabSize }) };
  }
  const { path } = await resolveModel(recipe.from, env, "gpt2");
  const gpt2 = await openModelPart(path);
  const { vocab_size: vocabSize } = gpt2Config(gpt2.config, gpt2.configFile);
  return { gpt2, tokenizer: await readTokenizer(path, { vocabSize }) };
}
