import { type VaeConfig, vaeConfig } from "../configs/index.ts";
import { leastJudged } from "../models/index.ts";
import { float32, InputError } from "../tensor/index.ts";
import type { NetworkConfig, WeightStore } from "../weights/index.ts";
import { below, freshness, shapesOf, stored, under } from "./beginning.ts";
import type { DiffusionParts } from "./diffusion-model.ts";
import { discriminatorWeights, type ParameterShapes, torchWeights } from "./initial-weights.ts";
import type { Lesson } from "./lesson.ts";
import type { Distance } from "./limits.ts";
import { DISCRIMINATOR } from "./losses/adversary.ts";
import { vaeLoss } from "./losses/vae.ts";
import { configJson, safetensorsOf, writeModelFiles } from "./model-files.ts";
import { writeModelFolder } from "./model-folder.ts";
import { planes } from "./planes.ts";
import { wordsOf } from "./words.ts";

/** An autoencoder, before it learns. Without weights it begins with fresh ones. */
export interface VaeParts {
  readonly vae: NetworkConfig & { readonly weights?: WeightStore };
  /** The checkpoint that it belongs to, and is written with. Default: it is written alone. */
  readonly checkpoint?: DiffusionParts;
}

/** The same, its configuration read. */
export interface VaeModel extends VaeParts {
  readonly config: VaeConfig;
  /** Pixels per place of a latent. */
  readonly scale: number;
}

/** @throws InputError naming the file and what of it cannot be learnt */
export function vaeModel(parts: VaeParts): VaeModel {
  const { config, configFile } = parts.vae;
  if (config["_class_name"] === "AutoencoderTiny") {
    throw new InputError(`${configFile} is an AutoencoderTiny: only an AutoencoderKL can learn here.`);
  }
  const read = vaeConfig(config, configFile);
  if (read.in_channels !== 3 || read.out_channels !== 3) {
    throw new InputError(`${configFile}: pictures have three channels ("in_channels", "out_channels").`);
  }
  return { ...parts, config: read, scale: 2 ** (read.block_out_channels.length - 1) };
}

export interface VaeLessonOptions {
  /** Pixels of the pictures. */
  readonly width: number;
  readonly height: number;
  /** Default "l1". */
  readonly distance?: Distance;
  /**
   * Of the divergence of the latents from a normal distribution, beside the distance added up over a picture, as LDM counts (Rombach
   * et al. 2022, appendix G). Default 1e-6.
   */
  readonly klWeight?: number;
  /** What the opinion of a discriminator counts (see `adversary`). Default 0, there is none. */
  readonly discriminator?: number;
  /** Steps before it takes part. Default 0. */
  readonly discriminatorStart?: number;
  /** Fixes fresh weights. */
  readonly seed: number;
}

/**
 * An autoencoder that learns to give pictures back (Kingma & Welling 2014; Rombach et al. 2022, §3.1). The loss is divided by the
 * number of values in a picture, where LDM's is their sum.
 *
 * @throws InputError where the size does not fit the model, or its weights do not fit its configuration
 */
export async function vaeLesson(model: VaeModel, options: VaeLessonOptions): Promise<Lesson> {
  const { width, height, distance, klWeight = 1e-6, discriminator = 0, discriminatorStart = 0, seed } = options;
  const { config, scale } = model;
  for (const side of [width, height]) {
    if (side % scale !== 0)
      throw new InputError(`Pictures of ${width}×${height}: this VAE wants sides in multiples of ${scale}.`);
    if (discriminator > 0 && side < leastJudged)
      throw new InputError(
        `Pictures of ${width}×${height}: a discriminator wants sides of ${leastJudged} pixels or more.`,
      );
  }
  const size = { height: height / scale, width: width / scale };
  const loss = (batch: number) =>
    vaeLoss(config, {
      ...{ batch, ...size, distance, adversary: discriminator },
      klWeight: klWeight / (3 * width * height),
    });
  const shapes = shapesOf(loss(1));
  const begin = await beginning(model, shapes, seed);

  return {
    loss,
    initial: (name) => begin.get(name)!,
    async batch(examples, random, step) {
      const count = examples.length;
      const shape = [count, config.latent_channels, size.height, size.width];
      return {
        images: float32([count, 3, height, width], planes(examples.map(({ picture }) => picture))),
        noise: float32(shape, random.randn(shape)),
        ...(discriminator > 0 && { judged: float32([], [step < discriminatorStart ? 0 : 1]) }),
      };
    },
    write: (folder, weights) => write(folder, model, weights, shapes),
    async close() {},
  };
}

/** What every parameter starts from. */
async function beginning({ vae }: VaeModel, shapes: ParameterShapes, seed: number) {
  const random = freshness(seed);
  const prefix = `${DISCRIMINATOR}.`;
  const own = new Map([...shapes].filter(([name]) => !name.startsWith(prefix)));
  const values = vae.weights ? await stored(vae.weights, own) : torchWeights(own, random);
  const judge = discriminatorWeights(below(shapes, prefix), random);
  return new Map([...values, ...under(prefix, judge)]);
}

async function write(
  folder: string,
  { vae, checkpoint }: VaeModel,
  all: ReadonlyMap<string, Float32Array>,
  shapes: ParameterShapes,
): Promise<void> {
  const weights = new Map([...all].filter(([name]) => !name.startsWith(`${DISCRIMINATOR}.`)));
  if (checkpoint) {
    const learnt = { weights: under("vae.", weights), shapes: under("vae.", shapes) };
    return writeModelFolder(folder, { ...checkpoint, words: wordsOf(checkpoint.tokenizer) }, learnt);
  }
  return writeModelFiles(folder, [
    ["diffusion_pytorch_model.safetensors", safetensorsOf({ weights, shapes })],
    ["config.json", configJson({ ...vae.config, _class_name: "AutoencoderKL" })],
  ]);
}
