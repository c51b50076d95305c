import { diffusionLesson, diffusionModel, diffusionRecipe, type Example } from "../../training/index.ts";
import type { Cli } from "../cli.ts";
import { remark } from "../errors.ts";
import { captionsOf, openData } from "./data.ts";
import { cachesOf, partsOf, pixelsOf } from "./model.ts";
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

export const diffusion: Subject<Kind, Example> = {
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

export const trainDiffusion = (options: DiffusionOptions, cli: Cli): Promise<void> => teach(diffusion, options, cli);
