import type { Graph } from "../graph/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { InputError } from "../tensor/index.ts";
import { below, freshness, shapesOf, stored, under } from "./beginning.ts";
import { type DiffusionBatchOptions, openDiffusionBatches } from "./diffusion-batches.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import { clipTextWeights, type ParameterShapes, torchWeights } from "./initial-weights.ts";
import type { Lesson } from "./lesson.ts";
import { diffusionLoss } from "./losses/diffusion.ts";
import { writeModelFolder } from "./model-folder.ts";
import { toldAsEmbeddings, toldAsIds } from "./told.ts";

export interface DiffusionLessonOptions extends DiffusionBatchOptions {
  /** Whether the text encoder learns along with the U-Net. */
  readonly trainTextEncoder: boolean;
  /** Fixes fresh weights. */
  readonly seed: number;
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
  const { trainTextEncoder } = options;
  if (!trainTextEncoder && !model.textEncoder.weights) {
    throw new InputError(`The text encoder of ${model.unet.configFile} has no weights yet, so it has to learn too.`);
  }
  const { config, noise, words } = model;
  const told = () => (trainTextEncoder ? toldAsIds(model) : toldAsEmbeddings(model, runtime, options));
  const { height, width, of: batch, close } = await openDiffusionBatches(model, options, runtime, told);
  const loss = (count: number): Graph =>
    diffusionLoss(
      { unet: config.unet, prediction: noise.prediction, ...(trainTextEncoder && { text: config.text }) },
      { batch: count, height, width, tokens: words.maxLength },
    );
  const shapes = shapesOf(loss(1));
  const begin = await beginning(model, shapes, options.seed);
  return {
    loss,
    initial: (name) => begin.get(name)!,
    batch,
    write: (folder, weights) => writeModelFolder(folder, model, { weights, shapes }),
    close,
  };
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
