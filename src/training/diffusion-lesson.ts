import { levelAt, minSnrWeight, snrOf } from "../diffusion/index.ts";
import type { Graph } from "../graph/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, InputError } from "../tensor/index.ts";
import { below, freshness, shapesOf, stored, under } from "./beginning.ts";
import type { TensorCache } from "./data/cache.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import { clipTextWeights, type ParameterShapes, torchWeights } from "./initial-weights.ts";
import { openLatents } from "./latents.ts";
import type { Lesson } from "./lesson.ts";
import { diffusionLoss } from "./losses/diffusion.ts";
import { memoryCache } from "./memory-cache.ts";
import { writeModelFolder } from "./model-folder.ts";
import { toldAsEmbeddings, toldAsIds } from "./told.ts";

export interface DiffusionLessonOptions {
  /** Pixels of the pictures. */
  readonly width: number;
  readonly height: number;
  /** Whether the text encoder learns along with the U-Net. */
  readonly trainTextEncoder: boolean;
  /** How often a picture is learnt without its caption, which guidance needs (Ho & Salimans 2022, algorithm 1). Default 0.1. */
  readonly captionDropout?: number;
  /** γ of min-SNR weighting (Hang et al. 2023). Default: none, every noise level weighs the same. */
  readonly snrGamma?: number;
  /** Fixes fresh weights. */
  readonly seed: number;
  /** Of what the VAE and the text encoder give, as far as these do not learn, by name. Default: memory alone. */
  readonly cacheOf?: (network: "vae" | "text encoder") => TensorCache;
}

/**
 * A diffusion model that learns to tell the noise in pictures (Ho et al. 2020, algorithm 1), in the space of its VAE or in
 * pixels, by their captions.
 *
 * @throws InputError where the size does not fit the model, or its weights do not fit its configuration
 */
export async function diffusionLesson(
  model: DiffusionModel,
  runtime: Runtime,
  options: DiffusionLessonOptions,
): Promise<Lesson> {
  const { trainTextEncoder, captionDropout = 0.1, snrGamma } = options;
  check(model, options);
  const { config, noise, words } = model;
  const latents = await openLatents(model, options, runtime, memoryCache(options.cacheOf?.("vae")));
  const told = trainTextEncoder
    ? toldAsIds(model)
    : await toldAsEmbeddings(model, runtime, memoryCache(options.cacheOf?.("text encoder")));
  const loss = (batch: number): Graph =>
    diffusionLoss(
      { unet: config.unet, prediction: noise.prediction, ...(trainTextEncoder && { text: config.text }) },
      { batch, height: latents.height, width: latents.width, tokens: words.maxLength },
    );
  const shapes = shapesOf(loss(1));
  const begin = await beginning(model, shapes, options.seed);

  return {
    loss,
    initial: (name) => begin.get(name)!,
    async batch(examples, random) {
      const dropped = random.rand([examples.length]);
      const captions = examples.map(({ caption }, i) => (dropped[i]! < captionDropout ? "" : caption));
      const steps = random.randint(0, noise.table.alphasCumprod.length, [examples.length]);
      const levels = steps.map((t) => levelAt(noise.table, t));
      const each = (value: (i: number) => number) =>
        float32(
          [examples.length, 1, 1, 1],
          levels.map((_, i) => value(i)),
        );
      const clean = await latents.of(
        examples.map(({ picture }) => picture),
        random,
      );
      return {
        latents: clean,
        noise: float32(clean.shape, random.randn(clean.shape)),
        timesteps: float32([examples.length], steps),
        alpha: each((i) => levels[i]!.alpha),
        sigma: each((i) => levels[i]!.sigma),
        weight: each((i) => (snrGamma ? minSnrWeight(snrOf(levels[i]!), snrGamma, noise.prediction) : 1)),
        ...(await told.of(captions)),
      };
    },
    write: (folder, weights) => writeModelFolder(folder, model, { weights, shapes }),
    async close() {
      await latents.close();
      await told.close();
    },
  };
}

function check({ scale, noise, textEncoder, unet }: DiffusionModel, options: DiffusionLessonOptions): void {
  for (const side of [options.width, options.height]) {
    if (side % scale === 0) continue;
    throw new InputError(
      `Pictures of ${options.width}×${options.height}: this model wants sides in multiples of ${scale}.`,
    );
  }
  if (!options.trainTextEncoder && !textEncoder.weights) {
    throw new InputError(`The text encoder of ${unet.configFile} has no weights yet, so it has to learn too.`);
  }
  const last = noise.table.alphasCumprod.at(-1)!;
  if (options.snrGamma && noise.prediction === "epsilon" && last === 0) {
    throw new InputError(
      "Where no signal is left at the last level (rescale_betas_zero_snr), min-SNR weighting of the noise has no value there: " +
        'take the prediction type "v_prediction", or no weighting.',
    );
  }
}

/** What every parameter starts from: the checkpoint's weights, or fresh ones. */
async function beginning(model: DiffusionModel, shapes: ParameterShapes, seed: number) {
  const random = freshness(seed);
  const fresh = {
    unet: (own: ParameterShapes) => torchWeights(own, random),
    text_encoder: (own: ParameterShapes) => clipTextWeights(own, model.config.text, random),
  };
  const begin = new Map<string, Float32Array>();
  for (const [name, { weights }] of [
    ["unet", model.unet],
    ["text_encoder", model.textEncoder],
  ] as const) {
    const own = below(shapes, `${name}.`);
    const values = weights ? await stored(weights, own) : fresh[name](own);
    for (const [path, value] of under(`${name}.`, values)) begin.set(path, value);
  }
  return begin;
}
