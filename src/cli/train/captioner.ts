import { join } from "node:path";
import { knownModel, resolveModel } from "../../hub/index.ts";
import type { SheetCell } from "../../image/index.ts";
import { gpt2Config } from "../../models/index.ts";
import { weightsHash } from "../../pipelines/model-hash.ts";
import {
  type CaptionerParts,
  captionerLesson,
  captionerRecipe,
  type Example,
  gpt2Model,
  openCache,
} from "../../training/index.ts";
import { openCaptionerFolder, openModelPart, readTokenizer } from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
import { remark } from "../errors.ts";
import { type StoredClip, storedClip } from "./clip-model.ts";
import { examplesOf, openPictures } from "./data.ts";
import { isThere } from "./model.ts";
import { saveSheet } from "./samples.ts";
import { type Subject, type TrainOptions, teach } from "./teach.ts";

export interface CaptionerOptions extends TrainOptions {
  readonly clip?: string;
  readonly tokens?: number;
  readonly prefix?: number;
  readonly trainGpt2?: boolean;
  readonly samplesEvery?: number;
}

/** Pictures of the data that a sheet shows. */
const SAMPLES = 4;

const subject: Subject<typeof captionerRecipe, Example> = {
  kind: captionerRecipe,
  things: "pictures",
  async prepare({ recipe }, cli) {
    const clip = await storedClip(recipe.clip, cli.env);
    const parts = { ...(await writerOf(recipe.from!, cli.env)), clip };
    const data = await openPictures(recipe, clip.config.vision.image_size, cli.signal);
    return {
      data,
      async lesson(runtime, folder) {
        const identity = await identityOf(clip, cli.env);
        const cache = openCache(join(folder, "cache"), { identity, onTrouble: (line) => remark(cli, line) });
        return captionerLesson(parts, runtime, { ...recipe, cache });
      },
      samples: {
        every: recipe.samplesEvery,
        open: async ({ machine, log }) => {
          const pictures = (await examplesOf(data, SAMPLES)).map(({ picture }) => picture);
          return async (step, folder) => {
            const { env, engine, signal } = cli;
            const captioner = await engine.openCaptioner({ ...machine, model: folder, clip: recipe.clip, env, signal });
            try {
              const cells: SheetCell[] = [];
              for (const picture of pictures) {
                const [best] = await captioner.caption(picture, { signal });
                cells.push({ picture, caption: best!.text });
              }
              return [await saveSheet(cells, { step, folder, log })];
            } finally {
              await captioner.close();
            }
          };
        },
      },
    };
  },
};

export const trainCaptioner = (options: CaptionerOptions, cli: Cli): Promise<void> => teach(subject, options, cli);

/** A captioner to go on with, or a GPT-2 before which a fresh mapping network comes. */
async function writerOf(from: string, env: Cli["env"]): Promise<Omit<CaptionerParts, "clip">> {
  const kind = knownModel(from)?.kind === "gpt2" ? "gpt2" : "captioner";
  const { path } = await resolveModel(from, env, kind);
  const known = (await isThere(join(path, "prefix.safetensors"))) ? await openCaptionerFolder(path) : undefined;
  const gpt2 = known?.gpt2 ?? (await openModelPart(path));
  const { vocab_size: vocabSize } = gpt2Config(gpt2.config, gpt2.configFile);
  const tokenizer = await readTokenizer(known?.tokenizerFolder ?? path, { vocabSize });
  return {
    gpt2: { ...gpt2Model({ gpt2, tokenizer }), gpt2 },
    ...(known && { prefix: { weights: known.prefix.weights, hidden: known.hidden } }),
  };
}

/** What the embeddings of pictures depend on. */
async function identityOf({ clip, image }: StoredClip, env: Cli["env"]): Promise<string> {
  return JSON.stringify([await weightsHash(clip.weights, env), clip.config, image]);
}
