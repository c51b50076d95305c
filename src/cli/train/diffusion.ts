import { join } from "node:path";
import {
  type DiffusionModel,
  diffusionLesson,
  diffusionModel,
  diffusionRecipe,
  type Example,
  openCache,
  type WholeRecipe,
} from "../../training/index.ts";
import { hashFiles } from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
import { remark } from "../errors.ts";
import { captionsOf, openData, sidesOf } from "./data.ts";
import { partsOf } from "./model.ts";
import type { PictureFlags } from "./recipe.ts";
import { sampler } from "./samples.ts";
import { type Subject, type TrainOptions, teach } from "./teach.ts";

export interface DiffusionOptions extends TrainOptions, PictureFlags {
  readonly trainTextEncoder?: boolean;
  readonly captionDropout?: number;
  readonly snrGamma?: number;
  readonly samplesEvery?: number;
  readonly sample?: readonly string[];
}

/** Prompts of the sample pictures where none are given. */
const SAMPLES = 4;

type Kind = typeof diffusionRecipe;

const subject: Subject<Kind, Example> = {
  kind: diffusionRecipe,
  things: "pictures",
  async prepare(wanted, cli) {
    const { recipe } = wanted;
    const model = diffusionModel(await partsOf(wanted, cli.env));
    const size = pixelsOf(recipe, model);
    const data = await openData(recipe, size, cli.signal);
    const { seed, samplesEvery: every, captionDropout, snrGamma } = recipe;
    return {
      data,
      async lesson(runtime, folder) {
        // Fresh weights say nothing before they learn.
        const trainTextEncoder = recipe.trainTextEncoder || recipe.model !== undefined;
        const cacheOf = await cachesOf(model, folder, (line) => remark(cli, line));
        return diffusionLesson(model, runtime, {
          ...size,
          ...{ trainTextEncoder, captionDropout, snrGamma, seed, cacheOf },
        });
      },
      samples: {
        every,
        open: async ({ machine, log }) => {
          const { samples: prompts = await captionsOf(data, SAMPLES) } = recipe;
          return sampler({ prompts, seed, ...size, machine, log }, cli);
        },
      },
    };
  },
};

export const trainDiffusion = (options: DiffusionOptions, cli: Cli): Promise<void> => teach(subject, options, cli);

/** What frozen networks give is kept beside the model, so that a run that goes on does not make it again. */
async function cachesOf(
  { vae, textEncoder, tokenizer }: DiffusionModel,
  folder: string,
  onTrouble: (line: string) => void,
) {
  const files = { vae: vae?.weights.files() ?? [], "text encoder": textEncoder.weights?.files() ?? [] };
  const identities = {
    vae: JSON.stringify([await hashFiles(files.vae), vae?.config]),
    "text encoder": JSON.stringify([await hashFiles(files["text encoder"]), textEncoder.config, tokenizer]),
  };
  return (network: keyof typeof files) =>
    openCache(join(folder, "cache"), { identity: identities[network], onTrouble });
}

/** The size to learn at: what was asked for, else what the U-Net was made for. */
function pixelsOf({ size }: WholeRecipe<Kind>, { config, scale }: DiffusionModel): { width: number; height: number } {
  if (size !== undefined) return sidesOf(size);
  const { sample_size: own } = config.unet;
  const [rows, columns] = typeof own === "number" ? [own, own] : own;
  return { width: columns * scale, height: rows * scale };
}
