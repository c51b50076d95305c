import { combine, discreteDenoiser, type Level, levelAt, ratioOf, trainedNoise } from "../diffusion/index.ts";
import { guidanceEmbedding } from "../models/index.ts";
import type { StepEvent } from "../pipelines/events.ts";
import type { OpenModel } from "../pipelines/inkling.ts";
import { float32, InputError, type Tensor } from "../tensor/index.ts";
import { plainWords } from "./plain-words.ts";

export interface WayBackSettings {
  /** As it stands: nothing in it is syntax. */
  readonly prompt: string;
  /** Of training: how noisy the latents are. */
  readonly timestep: number;
  /** At most; there are no more than timesteps. */
  readonly steps: number;
  readonly signal?: AbortSignal;
}

/** A step as a picture's events tell it; its latents are those of DDIM, at the end clean. */
export type BackStep = Pick<
  StepEvent,
  "type" | "call" | "calls" | "timestep" | "sigma" | "latents" | "prediction" | "x0"
>;

/** No noise at all. */
const CLEAN: Level = { alpha: 1, sigma: 0 };

/**
 * From latents [1, C, H, W] with the noise of a timestep back to clean ones, by deterministic DDIM (Song et al. 2021, eq. 12)
 * over evenly spaced timesteps and without guidance: the walk begins with these very latents.
 *
 * @throws InputError for a timestep or a number of steps that there is not, and for a model that paints inside a mask
 */
export async function* wayBack(
  latents: Tensor<"float32">,
  { prompt, timestep, steps, signal }: WayBackSettings,
  { facts, networks, tokenizer }: Pick<OpenModel, "facts" | "networks" | "tokenizer">,
): AsyncGenerator<BackStep, void, void> {
  const { table, prediction: predictionType } = trainedNoise(facts.checkpoint.scheduler);
  const last = table.alphasCumprod.length - 1;
  if (!Number.isInteger(timestep) || timestep < 0 || timestep > last) {
    throw new InputError(`The timestep is ${timestep}; it has to be a whole number from 0 to ${last}.`);
  }
  if (!Number.isInteger(steps) || steps < 1)
    throw new InputError(`The steps are ${steps}; there has to be at least 1.`);
  if (facts.inputChannels !== facts.latentChannels) {
    throw new InputError(`${facts.name} paints inside a mask: from noise alone it knows no way back.`);
  }
  const calls = Math.max(1, Math.min(steps, timestep));
  const levels = Array.from({ length: calls }, (_, i) => levelAt(table, Math.round(timestep * (1 - i / calls))));
  const denoiser = discreteDenoiser({ predictionType, table });
  const { embedding } = await plainWords(prompt, { networks, tokenizer }, signal);
  const conditionDim = facts.checkpoint.unet.config["time_cond_proj_dim"] as number | null | undefined;
  const timestepCond = conditionDim ? guidanceEmbedding(1, conditionDim) : undefined;
  const { shape } = latents;
  const unet = networks.noisePredictor();
  try {
    let { data } = latents;
    for (const [call, level] of levels.entries()) {
      const told = { timestep: level.timestep!, words: [embedding], timestepCond };
      const [prediction] = await unet.predict({ sample: float32(shape, data), ...told }, signal);
      signal?.throwIfAborted();
      const { x0, epsilon } = denoiser.interpret(prediction!, data, level);
      const target = levels[call + 1] ?? CLEAN;
      data = combine([target.alpha, x0], [target.sigma, epsilon]);
      yield {
        type: "step",
        ...{ call, calls, timestep: told.timestep, sigma: ratioOf(level) },
        latents: float32(shape, data),
        prediction: float32(shape, prediction!),
        x0: float32(shape, x0),
      };
    }
  } finally {
    unet.dispose();
  }
}
